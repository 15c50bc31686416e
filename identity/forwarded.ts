/**
 * What a relay that runs apart says in front of a connection to the authority: whose it is. TLS from
 * end to end runs behind it, so the relay could say it nowhere else.
 *
 * Layout, 140 bytes: `PSTNFROM` (8), milliseconds since 1970 (6, big-endian), the relay's host id (16),
 * the client's address in text (46, filled up with zeros), ECDSA P-256 with SHA-256 (64, IEEE P1363) by
 * the key of the relay's certificate over a context, the cluster's name, a zero byte, and all of that.
 * It counts for places, for refused joins and in the audit log, and gives no right. What is not true
 * in it says nothing: the connection then counts as its sender's own.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { isIP } from "node:net";

/** No TLS record begins like this. */
export const FORWARDED_MAGIC = Buffer.from("PSTNFROM");
const TIME_AT = FORWARDED_MAGIC.length;
const HOST_AT = TIME_AT + 6;
const ADDRESS_AT = HOST_AT + 16;
const SIGNATURE_AT = ADDRESS_AT + 46;
export const FORWARDED_BYTES = SIGNATURE_AT + 64;
const CONTEXT = "postern forwarded connection\0";

/** Clocks may differ by so much; whoever can read one on its way may repeat it for so long. */
const MOST_APART_MS = 60_000;

export interface Forwarded {
  /** The relay's host id, 32 hex digits. */
  readonly host: string;
  /** The client's address, IPv4 or IPv6. */
  readonly address: string;
  readonly at: Date;
}

export interface Signer {
  readonly cluster: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/** Puts a statement into bytes; `undefined` for what is no address. */
export function forwardedHeader(
  { address, at, host }: Forwarded,
  { cluster, privateKey }: Signer,
): Buffer | undefined {
  // A zone (`fe80::1%eth0`) means something on one machine alone.
  const [text = ""] = address.split("%");
  if (isIP(text) === 0) return undefined;
  const header = Buffer.alloc(SIGNATURE_AT);
  FORWARDED_MAGIC.copy(header);
  header.writeUIntBE(at.getTime(), TIME_AT, 6);
  header.write(host, HOST_AT, "hex");
  header.write(text, ADDRESS_AT, "latin1");
  const key = createPrivateKey(privateKey);
  const signature = sign("sha256", signedBytes(header, cluster), {
    key,
    dsaEncoding: "ieee-p1363",
  });
  return Buffer.concat([header, signature]);
}

/** What a header of `FORWARDED_BYTES` says, before anything is proven. */
export function readForwarded(bytes: Buffer): Forwarded | undefined {
  if (bytes.length !== FORWARDED_BYTES) return undefined;
  const [address = ""] = bytes.toString("latin1", ADDRESS_AT, SIGNATURE_AT).split("\0");
  if (isIP(address) === 0) return undefined;
  const at = new Date(bytes.readUIntBE(TIME_AT, 6));
  return { host: bytes.toString("hex", HOST_AT, ADDRESS_AT), address, at };
}

/** Whether the holder of a key (SPKI PEM) said so, about now. */
export function provesForwarded(
  bytes: Buffer,
  { cluster, now, publicKey }: { cluster: string; now: Date; publicKey: string },
): boolean {
  const said = readForwarded(bytes);
  if (said === undefined) return false;
  if (Math.abs(now.getTime() - said.at.getTime()) > MOST_APART_MS) return false;
  const key = createPublicKey(publicKey);
  // A host's key is P-256; of any other kind, nothing of this layout can be proven.
  if (key.asymmetricKeyType !== "ec") return false;
  return verify(
    "sha256",
    signedBytes(bytes.subarray(0, SIGNATURE_AT), cluster),
    { key, dsaEncoding: "ieee-p1363" },
    bytes.subarray(SIGNATURE_AT),
  );
}

function signedBytes(header: Buffer, cluster: string): Buffer {
  return Buffer.concat([Buffer.from(`${CONTEXT}${cluster}\0`), header]);
}
