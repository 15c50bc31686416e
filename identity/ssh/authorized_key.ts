/**
 * Public keys as lines of an `authorized_keys` file, of the two kinds that machines prove themselves
 * with: Ed25519 (RFC 8709 §4) and ECDSA on P-256 (RFC 5656 §3.1).
 */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { IdentityError } from "../error.ts";
import { string } from "./_wire.ts";

const ED25519 = "ssh-ed25519";
const P256 = "ecdsa-sha2-nistp256";
const CURVE = "nistp256";

/** A key of these kinds has some 170 characters. */
const MAX_CHARS = 1_000;

/** The line for a public key, SPKI PEM, without a comment. */
export function toAuthorizedKey(spkiPem: string): string {
  const key = createPublicKey(spkiPem);
  const der = key.export({ type: "spki", format: "der" });
  switch (kindOf(key)) {
    case ED25519: {
      // RFC 8410 §4: the key is the last 32 bytes of its SPKI.
      const blob = Buffer.concat([string(ED25519), string(der.subarray(-32))]);
      return `${ED25519} ${blob.toString("base64")}`;
    }
    case P256: {
      // SEC 1 §2.3.3: the point is the last 65.
      const blob = Buffer.concat([string(P256), string(CURVE), string(der.subarray(-65))]);
      return `${P256} ${blob.toString("base64")}`;
    }
    default:
      throw unusable("it is neither Ed25519 nor ECDSA on P-256");
  }
}

/** The public key of a line, SPKI PEM; throws `BAD_REQUEST`. A comment is let be. */
export function fromAuthorizedKey(line: string): string {
  if (line.length > MAX_CHARS) throw unusable("it is too long");
  const [type = "", base64 = ""] = line.trim().split(/\s+/);
  if (type !== ED25519 && type !== P256) {
    throw unusable(`it does not begin with ${ED25519} or ${P256}`);
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw unusable("its second part is no base64");
  try {
    const fields = readStrings(Buffer.from(base64, "base64"));
    const key = type === ED25519 ? ed25519(fields) : p256(fields);
    const pem = key.export({ type: "spki", format: "pem" }).toString();
    // One spelling: nothing behind the key, and the bytes that we would write for it.
    if (toAuthorizedKey(pem) !== `${type} ${base64}`) throw new Error("not in its one spelling");
    return pem;
  } catch (cause) {
    throw unusable("its second part is no such key", cause);
  }
}

function kindOf(key: KeyObject): typeof ED25519 | typeof P256 | undefined {
  if (key.asymmetricKeyType === "ed25519") return ED25519;
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const named = curve === "prime256v1" || curve === "P-256";
  return key.asymmetricKeyType === "ec" && named ? P256 : undefined;
}

function ed25519([type, key]: readonly Buffer[]): KeyObject {
  if (type?.toString() !== ED25519 || key?.length !== 32) throw new Error("not Ed25519");
  return fromJwk({ kty: "OKP", crv: "Ed25519", x: key.toString("base64url") });
}

function p256([type, curve, point]: readonly Buffer[]): KeyObject {
  const right = type?.toString() === P256 && curve?.toString() === CURVE;
  if (!right || point?.length !== 65 || point[0] !== 4) throw new Error("not P-256");
  const half = (from: number) => point.subarray(from, from + 32).toString("base64url");
  // Importing it checks that the point is on the curve.
  return fromJwk({ kty: "EC", crv: "P-256", x: half(1), y: half(33) });
}

function fromJwk(key: { kty: string; crv: string; x: string; y?: string }): KeyObject {
  return createPublicKey({ key, format: "jwk" });
}

function readStrings(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error("it is cut");
    found.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return found;
}

function unusable(found: string, cause?: unknown): IdentityError {
  return new IdentityError("BAD_REQUEST", `Cannot use the public key: ${found}`, {
    hint: "Write the line that `tbot keypair create` prints, such as ssh-ed25519 AAAA…",
    cause,
  });
}
