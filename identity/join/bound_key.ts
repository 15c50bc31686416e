/**
 * The key that a machine proves itself with when it joins by `bound_keypair`: it is bound to a join
 * token and to no certificate, so that it does not expire. Ed25519 or ECDSA on P-256; the kind of
 * the key fixes the algorithm of its signatures.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { IdentityError } from "../error.ts";
import { createSigningKey, type KeyPair } from "../keys.ts";

/** RFC 8037 §3.1 and RFC 7518 §3.4. */
export type BoundKeyAlgorithm = "EdDSA" | "ES256";

const MAX_CHARS = 1_000;

/** A new key, Ed25519. */
export function createBoundKey(): KeyPair {
  return createSigningKey();
}

/** A public key that a peer sends, in its one spelling, SPKI PEM; throws `BAD_REQUEST`. */
export function normalizeBoundKey(pem: string): string {
  try {
    if (pem.length > MAX_CHARS || !pem.trimStart().startsWith("-----BEGIN PUBLIC KEY-----")) {
      throw new Error("not a PEM block of the type PUBLIC KEY");
    }
    const key = createPublicKey(pem);
    if (algorithmOf(key) === undefined) throw new Error("neither Ed25519 nor P-256");
    return key.export({ type: "spki", format: "pem" }).toString();
  } catch (cause) {
    throw new IdentityError(
      "BAD_REQUEST",
      "Cannot use the bound key: not Ed25519 or P-256 in PEM",
      {
        hint: "Send the SubjectPublicKeyInfo of such a key as PEM",
        cause,
      },
    );
  }
}

/** A private key from a file or a variable: PKCS#8 PEM, or the base64 of that. */
export function parseBoundKey(text: string, from: string): KeyPair {
  const pem = text.includes("-----BEGIN") ? text : Buffer.from(text, "base64").toString();
  try {
    const key = createPrivateKey(pem);
    if (algorithmOf(key) === undefined) throw new Error("neither Ed25519 nor P-256");
    return {
      privateKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
      publicKey: createPublicKey(key).export({ type: "spki", format: "pem" }).toString(),
    };
  } catch {
    // The cause is left out: what reads keys may quote them.
    throw new IdentityError("CONFIG_INVALID", `Cannot use the key in ${from}: it is none of ours`, {
      hint: "Make one with `tbot keypair create --static`: Ed25519 or P-256 as PKCS#8 PEM",
    });
  }
}

/** The algorithm that a key signs with; `undefined` for a key of another kind. */
export function algorithmOf(key: KeyObject): BoundKeyAlgorithm | undefined {
  if (key.asymmetricKeyType === "ed25519") return "EdDSA";
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const isP256 = curve === "prime256v1" || curve === "P-256";
  return key.asymmetricKeyType === "ec" && isP256 ? "ES256" : undefined;
}
