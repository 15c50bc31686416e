/** What the store keeps of joins by a bound keypair, within limits. */
import { IdentityError } from "../error.ts";
import type { Reader } from "../storage/store.ts";
import type { InstanceItem } from "./cluster.ts";
import { MAX_BOT_TTL } from "./issuing.ts";
import type { Challenge } from "./join_documents.ts";

/** How long a used challenge is remembered beyond its time, for clocks that differ. */
const AFTERLIFE_MS = 60_000;
/** Used challenges that a token remembers; only in insecure mode do many machines share one. */
const MAX_CHALLENGES = 1_000;

/** The used challenges of a token with one more; throws if it is among them. */
export function spendChallenge(
  used: Readonly<Record<string, string>> = {},
  { expires, id }: Challenge,
  now: Date,
): Record<string, string> {
  if (Object.hasOwn(used, id)) {
    throw new IdentityError("JOIN_REFUSED", "Cannot join: the challenge was used already", {
      hint: "Ask for a new one for each join",
    });
  }
  const time = now.toISOString();
  const left = Object.entries(used).filter(([, until]) => until > time);
  if (left.length >= MAX_CHALLENGES) {
    throw new IdentityError(
      "RATE_LIMITED",
      `Cannot join: ${MAX_CHALLENGES} joins by this token were within two minutes`,
      { hint: "Try again in a minute; let machines that join so often keep their storage" },
    );
  }
  const until = new Date(expires.getTime() + AFTERLIFE_MS).toISOString();
  return Object.fromEntries([...left, [id, until]]);
}

/** The instances of a token whose certificates may still be good. */
export async function instancesOf(
  reader: Reader,
  token: string,
  now: Date,
): Promise<readonly string[]> {
  const since = new Date(now.getTime() - MAX_BOT_TTL * 1000).toISOString();
  return (await reader.list<InstanceItem>("instance"))
    .filter(({ value }) => value.token === token && value.renewed >= since)
    .map(({ value }) => value.instance);
}
