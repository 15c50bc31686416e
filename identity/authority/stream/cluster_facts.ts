import type { ClusterFacts } from "../../stream/facts.ts";
import type { Cluster, JoinedRole, RelayItem } from "../cluster.ts";
import { trustBundle } from "../issuing.ts";

/** What a joined host has to know of the cluster now; of users, relays learn nothing. */
export function clusterFacts(cluster: Cluster, role: JoinedRole): ClusterFacts {
  const { clock, journal, keys, view } = cluster;
  const now = clock.now();
  const { hostCas, userCas } = trustBundle(cluster);
  const relays = journal.list<RelayItem>("relay")
    .filter(({ name, expires }) => !(expires && expires <= now) && !view.hostLocked(name))
    .map(({ name, value }) => ({ host: name, addresses: value.addresses }));
  return {
    cluster: cluster.name,
    hostCas,
    ticketKeys: [keys.ticket.publicKey],
    relays: relays.sort((a, b) => a.host < b.host ? -1 : 1),
    ...(role === "agent" && { agent: { userCas, redaction: keys.audit.redaction } }),
  };
}
