/**
 * The keys of the cluster's tokens. A key is replaced by and by, without anybody having to do
 * anything: the next one is published before it signs, since verifiers keep what they have fetched
 * for a while, and the one before is published until the last token that it has signed has ended.
 */
import { APP_TOKEN_SECONDS } from "../app_token.ts";
import type { Clock } from "../clock.ts";
import { generateKeyPair, type KeyPair } from "../keys.ts";
import type { Log } from "../log.ts";
import type { Store } from "../storage/store.ts";

export interface JwtKey extends KeyPair {
  /** RFC 3339. */
  readonly created: string;
}

/** `ca/jwt`: oldest first, and one at least. */
export interface JwtKeysItem {
  readonly keys: readonly JwtKey[];
}

/** How old a key becomes before there is a next one. */
export const JWT_KEY_DAYS = 30;

/** How long verifiers may keep what they have fetched, said to them as `max-age`. */
export const JWKS_SECONDS = 300;

/** A new key signs when nobody can have kept the answer from before it any more, twice over. */
const PUBLISHED_FIRST_MS = 2 * JWKS_SECONDS * 1000;

/** Clocks of verifiers may be behind by so much when a token ends. */
const GRACE_MS = 600_000;

type Keyring = { readonly store: Store; readonly clock: Clock; readonly log: Log };

/** The keys of a cluster that is made now, or had one before keys were replaced. */
export function firstJwtKeys(now: Date, key: KeyPair = generateKeyPair()): JwtKeysItem {
  return { keys: [created(key, now)] };
}

/** The key that signs now. What is due is done first: a new key, and the end of an old one. */
export async function signingKey({ store, clock, log }: Keyring): Promise<JwtKey> {
  const now = clock.now();
  const stored = await readKeys(store);
  if (renewed(stored, now) === stored) return signer(stored, now);
  const keys = await store.update(async (tx) => {
    // Another authority may have been here meanwhile.
    const stored = await readKeys(tx);
    const keys = renewed(stored, now);
    if (keys !== stored) await tx.put("ca", "jwt", { keys } satisfies JwtKeysItem);
    return keys;
  });
  log.info("The keys for tokens have changed", { keys: keys.length });
  return signer(keys, now);
}

/** The keys by which tokens that are about can be verified, and the next one. */
export async function publishedKeys(
  { store, clock }: Pick<Keyring, "store" | "clock">,
): Promise<readonly JwtKey[]> {
  return needed(await readKeys(store), clock.now());
}

async function readKeys(reader: Pick<Store, "get">): Promise<readonly JwtKey[]> {
  return (await reader.get<JwtKeysItem>("ca", "jwt"))?.value.keys ?? [];
}

/** The newest that has been published for long enough; of one key alone, that one. */
function signer(keys: readonly JwtKey[], now: Date): JwtKey {
  return keys.findLast((key) => signsFrom(key) <= now.getTime()) ?? keys[0]!;
}

function signsFrom({ created }: JwtKey): number {
  return Date.parse(created) + PUBLISHED_FIRST_MS;
}

function needed(keys: readonly JwtKey[], now: Date): readonly JwtKey[] {
  const left = keys.filter((_, index) => {
    const next = keys[index + 1];
    if (next === undefined) return true;
    return now.getTime() < signsFrom(next) + APP_TOKEN_SECONDS * 1000 + GRACE_MS;
  });
  return left.length === keys.length ? keys : left;
}

/** The keys as they should be now; the same array if they are. */
function renewed(keys: readonly JwtKey[], now: Date): readonly JwtKey[] {
  const left = needed(keys, now);
  const newest = left.at(-1);
  const age = newest ? now.getTime() - Date.parse(newest.created) : Infinity;
  if (age < JWT_KEY_DAYS * 24 * 3_600_000) return left;
  return [...left, created(generateKeyPair(), now)];
}

function created({ privateKey, publicKey }: KeyPair, now: Date): JwtKey {
  return { privateKey, publicKey, created: now.toISOString() };
}
