import type { BotClaims } from "../x509/claims.ts";
import type { HeartbeatRequest } from "./api.ts";
import type { Caller } from "./caller.ts";
import type { Cluster, HeartbeatItem } from "./cluster.ts";

/** How long the last word of a machine is kept. */
const KEPT_MS = 30 * 24 * 3_600_000;

/**
 * Keeps what a bot's machine says of itself. It is told by whoever holds the certificate and proves
 * nothing: it is shown to people, and decides nothing.
 */
export async function keepHeartbeat(
  { clock, store }: Cluster,
  { claims: { bot, instance } }: Caller<BotClaims>,
  request: HeartbeatRequest,
): Promise<Record<never, never>> {
  const now = clock.now();
  const value: HeartbeatItem = { ...request, seen: now.toISOString() };
  const expires = new Date(now.getTime() + KEPT_MS);
  await store.update((tx) => tx.put("heartbeat", `${bot}/${instance}`, value, { expires }));
  return {};
}
