/** The parts of signing that a CA's own certificate and issued ones share. */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from "node:crypto";
import { IdentityError } from "../error.ts";

export const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;

/** How far a machine's clock may be behind the authority's and still accept a new certificate. */
const CLOCK_SKEW_MS = 60_000;

/** Imports a PKCS#8 PEM for signing; the imported key cannot be exported again. */
export function importPrivateKey(pem: string): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey(
    "pkcs8",
    new Uint8Array(der),
    P256,
    false,
    ["sign"],
  ) as Promise<CryptoKey>;
}

/** Imports an SPKI PEM for verifying. */
export function importPublicKey(pem: string): Promise<CryptoKey> {
  const der = createPublicKey(pem).export({ type: "spki", format: "der" });
  return webcrypto.subtle.importKey(
    "spki",
    new Uint8Array(der),
    P256,
    true,
    ["verify"],
  ) as Promise<CryptoKey>;
}

/** 128 random bits in hex. RFC 5280 §4.1.2.2: a serial number is positive. */
export function randomSerial(): string {
  const bytes = Buffer.from(randomBytes(16));
  // The top bit is the sign; the next one is set so that the length never varies.
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return bytes.toString("hex");
}

/** The start of validity, put back a little for clocks that are behind. */
export function skewed(notBefore: Date): Date {
  return new Date(notBefore.getTime() - CLOCK_SKEW_MS);
}

// SPIFFE-ID §2.1: a trust domain is lower-case letters, digits, dots, dashes and underscores.
const CLUSTER = /^[a-z0-9][a-z0-9._-]{0,252}$/;

/** A cluster's name, which is also its SPIFFE trust domain; throws `BAD_REQUEST`. */
export function clusterName(name: string): string {
  if (CLUSTER.test(name)) return name;
  throw new IdentityError("BAD_REQUEST", `Cannot use "${name}" as the name of a cluster`, {
    hint: "Use lower-case letters, digits, dots, hyphens and underscores",
  });
}
