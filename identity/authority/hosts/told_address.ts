import type { Buffer } from "node:buffer";
import { provesForwarded, readForwarded } from "../../forwarded.ts";
import type { Cluster, HostItem } from "../cluster.ts";

/**
 * The client's address as a relay of this cluster has told it in front of a connection; `undefined`
 * when it was no relay that may act, or nothing that it can have said now.
 */
export async function toldAddress(cluster: Cluster, header: Buffer): Promise<string | undefined> {
  const said = readForwarded(header);
  if (said === undefined) return undefined;
  const item = await cluster.store.get<HostItem>("host", said.host);
  if (item?.value.role !== "relay") return undefined;
  if (cluster.view.hostLocked(said.host) !== undefined) return undefined;
  const { previousKey, publicKey } = item.value;
  const now = cluster.clock.now();
  const proven = [publicKey, previousKey].some((key) =>
    key !== undefined && provesForwarded(header, { cluster: cluster.name, now, publicKey: key })
  );
  return proven ? said.address : undefined;
}
