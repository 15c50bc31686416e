/** OpenSSH certificates as OpenSSH's PROTOCOL.certkeys lays them out. */
import { Buffer } from "node:buffer";
import { randomBytes, sign } from "node:crypto";
import { IdentityError } from "../error.ts";
import { publicKeyOf } from "../keys.ts";
import { mpint, string, uint32, uint64 } from "./_wire.ts";
import { CURVE, curvePoint, KEY_TYPE, publicKeyBlob } from "./keys.ts";
import type { SshCa } from "./keys.ts";

export interface SshCertificateRequest {
  readonly ca: Pick<SshCa, "privateKey">;
  /** SPKI PEM of the holder's P-256 key. */
  readonly publicKey: string;
  /** What sshd logs about the holder. */
  readonly keyId: string;
  /** Login names of a user, host names of a host; at least one. */
  readonly principals: readonly string[];
  readonly validAfter: Date;
  readonly validBefore: Date;
  readonly kind: "user" | "host";
  /** By name; an empty value is a flag such as `permit-pty`. */
  readonly extensions?: Readonly<Record<string, string>>;
}

const CERTIFICATE_TYPE = `${KEY_TYPE}-cert-v01@openssh.com`;
const KINDS = { user: 1, host: 2 } as const;

/** Signs an OpenSSH certificate; the result is one line, `<type> <base64>`. */
export function issueSshCertificate(request: SshCertificateRequest): string {
  if (request.principals.length === 0) {
    // PROTOCOL.certkeys: a certificate without principals is good for *every* principal.
    throw new IdentityError("BAD_REQUEST", "Cannot issue an SSH certificate without principals");
  }
  const signed = Buffer.concat([
    string(CERTIFICATE_TYPE),
    string(randomBytes(32)),
    string(CURVE),
    string(curvePoint(request.publicKey)),
    randomBytes(8),
    uint32(KINDS[request.kind]),
    string(request.keyId),
    string(Buffer.concat(request.principals.map(string))),
    uint64(seconds(request.validAfter)),
    uint64(seconds(request.validBefore)),
    string(""),
    string(options(request.extensions ?? {})),
    string(""),
    string(publicKeyBlob(publicKeyOf(request.ca.privateKey))),
  ]);
  const certificate = Buffer.concat([signed, string(signature(signed, request.ca.privateKey))]);
  return `${CERTIFICATE_TYPE} ${certificate.toString("base64")}`;
}

/** Options in the order that the format asks for: by name, each at most once. */
function options(values: Readonly<Record<string, string>>): Buffer {
  const sorted = Object.entries(values).sort(([a], [b]) => a < b ? -1 : 1);
  return Buffer.concat(sorted.flatMap(([name, value]) => [
    string(name),
    string(value === "" ? "" : string(value)),
  ]));
}

/** RFC 5656 §3.1.2: the two halves of an ECDSA signature as integers. */
function signature(data: Uint8Array, privateKey: string): Buffer {
  const raw = sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const halves = Buffer.concat([mpint(raw.subarray(0, 32)), mpint(raw.subarray(32))]);
  return Buffer.concat([string(KEY_TYPE), string(halves)]);
}

function seconds(time: Date): bigint {
  return BigInt(Math.floor(time.getTime() / 1000));
}
