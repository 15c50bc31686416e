import type { HostTokenItem, TokenItem } from "../cluster.ts";

/** Seconds. */
export const DEFAULT_TOKEN_TTL = 3600;

/** How long a token's item outlives it, so that a late joiner hears why it is refused. */
const AFTERLIFE_MS = 7 * 86_400_000;

/** What the store keeps of a token that is good until `expires`. */
export function tokenItem(bot: string, expires: Date): { value: TokenItem; expires: Date } {
  return {
    value: { bot, expires: expires.toISOString() },
    expires: new Date(expires.getTime() + AFTERLIFE_MS),
  };
}

/** The same of a token for hosts. */
export function hostTokenItem(
  token: Omit<HostTokenItem, "expires">,
  expires: Date,
): { value: HostTokenItem; expires: Date } {
  return {
    value: { ...token, expires: expires.toISOString() },
    expires: new Date(expires.getTime() + AFTERLIFE_MS),
  };
}
