/**
 * Key pairs. Those of certificates are all of one kind: ECDSA on P-256. Private keys are PKCS#8 PEM, public keys SPKI PEM,
 * and a public key has exactly one spelling, so that two of them can be compared as text.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { IdentityError } from "./error.ts";

export interface KeyPair {
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** SPKI PEM. */
  readonly publicKey: string;
}

/** An Ed25519 key pair for the cluster's own signatures, which no certificate is made for. */
export function createSigningKey(): KeyPair {
  return generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
}

/** A peer sends public keys; a P-256 key in PEM has some 180 characters. */
const MAX_PUBLIC_KEY_CHARS = 1_000;

/** Makes a new key pair from the system's randomness. */
export function generateKeyPair(): KeyPair {
  return generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
}

/** The SPKI PEM of the public half of a private key. */
export function publicKeyOf(privatePem: string): string {
  return spkiPem(createPublicKey(createPrivateKey(privatePem)));
}

/**
 * A P-256 public key in its one spelling; throws `BAD_REQUEST` for anything else. Call it on every
 * key that a peer sends before the key is compared, stored or certified.
 */
export function normalizePublicKey(pem: string): string {
  try {
    // createPublicKey also reads private keys and certificates; a peer sends neither.
    if (pem.length > MAX_PUBLIC_KEY_CHARS || !pem.trimStart().startsWith(PUBLIC_KEY_HEADER)) {
      throw new Error("not a PEM block of the type PUBLIC KEY");
    }
    const key = createPublicKey(pem);
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (key.asymmetricKeyType !== "ec" || (curve !== "prime256v1" && curve !== "P-256")) {
      throw new Error("not a key on the curve P-256");
    }
    return spkiPem(key);
  } catch (cause) {
    throw new IdentityError("BAD_REQUEST", "Cannot use the public key: not ECDSA P-256 in PEM", {
      hint: "Send the SubjectPublicKeyInfo of a P-256 key as PEM",
      cause,
    });
  }
}

/** SHA-256 of the DER of a public key, in hex: names the key where the key itself is too long. */
export function publicKeyFingerprint(spki: string): string {
  const der = createPublicKey(spki).export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex");
}

const PUBLIC_KEY_HEADER = "-----BEGIN PUBLIC KEY-----";

function spkiPem(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}
