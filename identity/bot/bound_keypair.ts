/**
 * Joining by a key of tbot's own, which the join token is bound to. Whatever must not be lost is in
 * the storage before it is sent: the key, the one that shall replace it, and the join state, which
 * tells this storage from a copy of it.
 */
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import type { IssuedCertificates, KeypairJoin } from "../authority/api.ts";
import type { AuthorityClient } from "../authority/client.ts";
import type { Destination } from "../destination/destination.ts";
import { IdentityError } from "../error.ts";
import { createBoundKey, parseBoundKey } from "../join/bound_key.ts";
import { signProof } from "../join/keypair_proof.ts";
import type { KeyPair } from "../keys.ts";
import type { Given, KeypairOnboarding } from "./config.ts";

/** PKCS#8 PEM. */
export const BOUND_KEY = "bound_key";
/** The key of a rotation whose answer has not been stored yet. */
const NEXT_BOUND_KEY = "bound_key.next";
const JOIN_STATE = "join_state";

export interface KeypairJoinOptions {
  readonly storage: Destination;
  readonly onboarding: KeypairOnboarding;
  readonly client: Pick<AuthorityClient, "challenge" | "join">;
  /** What a certificate is asked for: SPKI PEM and seconds. */
  readonly publicKey: string;
  readonly ttl: number;
}

export interface KeypairJoined {
  readonly issued: IssuedCertificates;
  /** What is to be stored with the certificates, before the request counts as answered. */
  readonly files: readonly (readonly [name: string, content: string])[];
  /** What is of no use any more after that. */
  readonly spent: readonly string[];
}

/** Joins, and replaces the key where the authority asks for it. */
export async function joinByKeypair(options: KeypairJoinOptions): Promise<KeypairJoined> {
  const { onboarding, storage } = options;
  const isStatic = onboarding.staticKey !== undefined;
  const key = onboarding.staticKey
    ? parseBoundKey(await given(onboarding.staticKey, "key"), placeOf(onboarding.staticKey))
    : await keyIn(storage, BOUND_KEY) ?? await newKeyIn(storage, BOUND_KEY);
  const pending = isStatic ? undefined : await keyIn(storage, NEXT_BOUND_KEY);
  try {
    return await ask(options, key, pending);
  } catch (error) {
    const asked = error instanceof IdentityError && error.code === "JOIN_ROTATION_REQUIRED";
    if (!asked || pending !== undefined) throw error;
    if (isStatic) throw cannotRotate(error);
    return await ask(options, key, await newKeyIn(storage, NEXT_BOUND_KEY));
  }
}

async function ask(
  { client, onboarding, publicKey, storage, ttl }: KeypairJoinOptions,
  key: KeyPair,
  next: KeyPair | undefined,
): Promise<KeypairJoined> {
  const { token } = onboarding;
  const state = await stateFor(storage, token);
  const secret = await secretOf(onboarding, state !== undefined);
  const method = "bound_keypair";
  const { challenge, cluster } = await client.challenge({ method, token });
  const subject = { cluster, token, challenge, publicKey, state };
  const request: KeypairJoin = {
    method,
    token,
    publicKey,
    ttl,
    challenge,
    boundKey: key.publicKey,
    proof: await signProof(key, { ...subject, nextKey: next?.publicKey }),
    ...(secret !== undefined && { secret }),
    ...(state !== undefined && { state }),
    ...(next && { next: { boundKey: next.publicKey, proof: await signProof(next, subject) } }),
  };
  const issued = await client.join(request);
  if (issued.keypair === undefined) {
    throw new IdentityError("API_PROTOCOL", "Cannot use the answer: it has no join state", {
      hint: "Check that tbot and the authority are of compatible versions",
    });
  }
  const replaced = next && issued.keypair.boundKey === next.publicKey;
  return {
    issued,
    files: [
      [JOIN_STATE, issued.keypair.state],
      ...(replaced ? [[BOUND_KEY, next.privateKey] as const] : []),
    ],
    spent: next ? [NEXT_BOUND_KEY] : [],
  };
}

/** The key that the storage has, or a new one in it; whether it is new. */
export async function keptBoundKey(
  storage: Destination,
  { overwrite }: { readonly overwrite: boolean },
): Promise<{ readonly key: KeyPair; readonly made: boolean; readonly replaced: boolean }> {
  const before = await storage.read(BOUND_KEY);
  if (before !== undefined && !overwrite) {
    return {
      key: parseBoundKey(before, `${storage.name}/${BOUND_KEY}`),
      made: false,
      replaced: false,
    };
  }
  const key = await newKeyIn(storage, BOUND_KEY);
  // They are of the key of before.
  for (const file of [NEXT_BOUND_KEY, JOIN_STATE]) await storage.remove(file);
  return { key, made: true, replaced: before !== undefined };
}

async function keyIn(storage: Destination, file: string): Promise<KeyPair | undefined> {
  const text = await storage.read(file);
  return text === undefined ? undefined : parseBoundKey(text, `${storage.name}/${file}`);
}

async function newKeyIn(storage: Destination, file: string): Promise<KeyPair> {
  const key = createBoundKey();
  await storage.write(file, key.privateKey);
  return key;
}

/** The join state, if it is of this token; the authority alone can tell whether it is true. */
async function stateFor(storage: Destination, token: string): Promise<string | undefined> {
  const state = (await storage.read(JOIN_STATE))?.trim();
  if (state === undefined) return undefined;
  try {
    const payload = Buffer.from(state.split(".")[1] ?? "", "base64url").toString();
    return (JSON.parse(payload) as { sub?: unknown }).sub === token ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Once there is a join state, the secret has done its work, and its file may be gone. */
async function secretOf(
  { secret }: KeypairOnboarding,
  joined: boolean,
): Promise<string | undefined> {
  if (secret === undefined) return undefined;
  try {
    return await given(secret, "registration secret");
  } catch (error) {
    if (joined) return undefined;
    throw error;
  }
}

async function given(source: Given, what: string): Promise<string> {
  let text: string;
  try {
    text = ("text" in source ? source.text : await readFile(source.path, "utf8")).trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw missing(`Cannot read the ${what} from ${placeOf(source)}: ${code}`, cause);
  }
  if (text === "") throw missing(`Cannot join with the ${what} in ${placeOf(source)}: it is empty`);
  return text;
}

function placeOf(source: Given): string {
  return "path" in source ? source.path : source.from;
}

function missing(message: string, cause?: unknown): IdentityError {
  return new IdentityError("CONFIG_INVALID", message, {
    hint: "Write it there, and let the user that runs tbot read it",
    cause,
  });
}

function cannotRotate(cause: IdentityError): IdentityError {
  return new IdentityError(cause.code, `${cause.message}, and a static key cannot be`, {
    hint: "Make another with `tbot keypair create --static`, write it into the token's " +
      "initial_public_key, and take rotate_after away",
    cause,
  });
}
