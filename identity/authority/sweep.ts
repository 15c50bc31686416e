import type { Cluster } from "./cluster.ts";

/** Between looks. */
const LOOK_MS = 3_600_000;
/**
 * What has ended is kept so long: should the clock have been set forward by mistake, what a replay
 * is refused by is still there when it is set back.
 */
const KEEP_MS = 86_400_000;
/** Items of one transaction, which others wait for. */
const AT_ONCE = 500;

/** Takes what has ended out of the store, an hour after the other, until the signal is aborted. */
export async function keepSweeping(cluster: Cluster, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sweep(cluster, signal).catch((error: unknown) => {
      cluster.log.error("Cannot sweep what has ended", { error: String(error) });
    });
    await cluster.clock.sleep(LOOK_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

/** Takes out all that ended a day ago or before; how much that was. */
export async function sweep(
  { clock, store }: Pick<Cluster, "clock" | "store">,
  signal?: AbortSignal,
): Promise<number> {
  const before = new Date(clock.now().getTime() - KEEP_MS);
  let swept = 0;
  while (!signal?.aborted) {
    const count = await store.update((tx) => tx.forgetExpired(before, AT_ONCE));
    swept += count;
    if (count < AT_ONCE) break;
  }
  return swept;
}
