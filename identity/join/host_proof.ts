/** How a host that joins again proves that it is the one that it was, when its certificate is over. */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";

const CONTEXT = Buffer.from("postern host rejoin\0");

export interface HostProof {
  readonly cluster: string;
  /** Of before. */
  readonly host: string;
  /** The key that the new certificate is for: a proof that is seen by others is of no use to them. */
  readonly publicKey: string;
}

/** Base64 of the signature by the host's old key. */
export function signHostProof(proof: HostProof, privateKey: string): string {
  return sign("sha256", signedBytes(proof), createPrivateKey(privateKey)).toString("base64");
}

export function verifyHostProof(proof: HostProof, signature: string, oldKey: string): boolean {
  const bytes = Buffer.from(signature, "base64");
  try {
    return verify("sha256", signedBytes(proof), createPublicKey(oldKey), bytes);
  } catch {
    // Bytes that are no signature at all.
    return false;
  }
}

function signedBytes({ cluster, host, publicKey }: HostProof): Buffer {
  const der = createPublicKey(publicKey).export({ type: "spki", format: "der" });
  // A zero byte is in no name of a cluster and in no id.
  return Buffer.concat([CONTEXT, Buffer.from(`${cluster}\0${host}\0`), der]);
}
