/**
 * What a machine signs to show that it holds a bound key: a JWS (RFC 7515) of a type of its own, over
 * all that the request is about. Nothing that is signed for one challenge, token, certificate key or
 * purpose is good for another.
 */
import { createHash, createPublicKey } from "node:crypto";
import { IdentityError } from "../error.ts";
import { type KeyPair, publicKeyFingerprint } from "../keys.ts";
import { algorithmOf } from "./bound_key.ts";

/** RFC 8725 §3.11: a token of one kind never passes for one of another. */
const PROOF_TYPE = "postern-join-proof+jwt";

/** Far more than a proof has. */
const MAX_PROOF_CHARS = 4 * 1024;

export interface ProofSubject {
  readonly cluster: string;
  /** The name of the join token. */
  readonly token: string;
  /** As the authority gave it. */
  readonly challenge: string;
  /** The SPKI PEM of the key that certificates are asked for. */
  readonly publicKey: string;
  /** The join state that is sent along. */
  readonly state?: string | undefined;
  /** The SPKI PEM of the key that shall be bound in the place of the one that signs. */
  readonly nextKey?: string | undefined;
}

/** Signs with a bound key, with the algorithm that its kind fixes. */
export async function signProof(key: KeyPair, subject: ProofSubject): Promise<string> {
  const { importPKCS8, SignJWT } = await import("jose");
  const alg = algorithmOf(createPublicKey(key.publicKey)) ?? "";
  return await new SignJWT(claimsOf(key.publicKey, subject))
    .setProtectedHeader({ alg, typ: PROOF_TYPE })
    .sign(await importPKCS8(key.privateKey, alg));
}

/**
 * Throws `JOIN_REFUSED` unless the proof was signed by the key's holder over exactly this subject.
 * `publicKey` is normalized: its kind says which algorithm counts, and not the proof.
 */
export async function verifyProof(
  proof: string,
  publicKey: string,
  subject: ProofSubject,
): Promise<void> {
  const { compactVerify, importSPKI } = await import("jose");
  const alg = algorithmOf(createPublicKey(publicKey)) ?? "";
  let said: unknown;
  try {
    if (proof.length > MAX_PROOF_CHARS) throw new Error("it is too long");
    const { payload, protectedHeader } = await compactVerify(
      proof,
      await importSPKI(publicKey, alg),
      { algorithms: [alg] },
    );
    if (protectedHeader.typ !== PROOF_TYPE) throw new Error("it is of another type");
    said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (cause) {
    throw refused("it is not signed by that key", cause);
  }
  if (!same(said, claimsOf(publicKey, subject))) {
    throw refused("it was signed for another request");
  }
}

type ProofClaims = Readonly<Record<string, string>>;

function claimsOf(
  boundKey: string,
  { challenge, cluster, nextKey, publicKey, state, token }: ProofSubject,
): ProofClaims {
  return {
    aud: cluster,
    sub: token,
    purpose: nextKey === undefined ? "join" : "rotate",
    nonce: challenge,
    bound_key: publicKeyFingerprint(boundKey),
    certificate_key: publicKeyFingerprint(publicKey),
    ...(state !== undefined && { state: createHash("sha256").update(state).digest("hex") }),
    ...(nextKey !== undefined && { next_key: publicKeyFingerprint(nextKey) }),
  };
}

function same(said: unknown, expected: ProofClaims): boolean {
  if (typeof said !== "object" || said === null) return false;
  const names = Object.keys(expected);
  return Object.keys(said).length === names.length &&
    names.every((name) => (said as ProofClaims)[name] === expected[name]);
}

function refused(found: string, cause?: unknown): IdentityError {
  return new IdentityError("JOIN_REFUSED", `Cannot join: the proof does not hold, ${found}`, {
    hint: "Let tbot ask for a new challenge; it must hold the key that the join token is bound to",
    cause,
  });
}
