import type { PresentedRelay } from "../api.ts";
import type { Cluster, RelayItem } from "../cluster.ts";
import type { HostCaller } from "./identify_host.ts";
import { LEASE_MS } from "./present_apps.ts";

/** Notes where agents reach a relay, for as long as it says so again. */
export async function presentRelay(
  { clock, store }: Pick<Cluster, "clock" | "store">,
  { host }: Pick<HostCaller, "host">,
  addresses: readonly string[],
): Promise<PresentedRelay> {
  const expires = new Date(clock.now().getTime() + LEASE_MS);
  const item = { addresses } satisfies RelayItem;
  await store.update((tx) => tx.put("relay", host, item, { expires }), { durable: false });
  return { lease: LEASE_MS };
}
