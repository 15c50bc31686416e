/** RFC 5656 §3.1: ECDSA keys on P-256 as OpenSSH writes them. */
import { Buffer } from "node:buffer";
import { createPublicKey } from "node:crypto";
import { generateKeyPair, normalizePublicKey } from "../keys.ts";
import { string } from "./_wire.ts";

export const KEY_TYPE = "ecdsa-sha2-nistp256";
export const CURVE = "nistp256";

export interface SshCa {
  /** PKCS#8 PEM. */
  readonly privateKey: string;
  /** `ecdsa-sha2-nistp256 <base64>`. */
  readonly publicKey: string;
}

/** Makes a key pair that signs OpenSSH certificates. */
export function createSshCa(): SshCa {
  const pair = generateKeyPair();
  return { privateKey: pair.privateKey, publicKey: sshPublicKey(pair.publicKey) };
}

/** A public key as one line of an `authorized_keys` file, without a comment. */
export function sshPublicKey(spkiPem: string): string {
  return `${KEY_TYPE} ${publicKeyBlob(spkiPem).toString("base64")}`;
}

export function publicKeyBlob(spkiPem: string): Buffer {
  return Buffer.concat([string(KEY_TYPE), string(CURVE), string(curvePoint(spkiPem))]);
}

/** SEC 1 §2.3.3: 4, then x and y with 32 bytes each; it ends the SPKI of a P-256 key. */
export function curvePoint(spkiPem: string): Buffer {
  const key = createPublicKey(normalizePublicKey(spkiPem));
  return key.export({ type: "spki", format: "der" }).subarray(-65);
}
