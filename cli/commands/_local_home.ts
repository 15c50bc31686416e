/** Relay and agent in the process of the authority: the store is here, and nothing is asked over a network. */
import {
  clusterFacts,
  HostIdentity,
  presentRelay,
  type PublicServer,
  signAppToken,
} from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import type { AgentHome, RelayHome } from "./_home.ts";

/** What both roles of this process share. */
export interface LocalHost {
  readonly cluster: Cluster;
  readonly host: string;
  readonly signal: AbortSignal;
}

export async function localRelayHome(
  local: LocalHost,
  authority: PublicServer,
): Promise<RelayHome> {
  const { cluster, host, signal } = local;
  const identity = await HostIdentity.open(cluster, { role: "relay", host }, signal);
  return {
    ...common(local, identity, "relay"),
    toAuthority: authority.accept,
    forwardedToAuthority: authority.acceptForwarded,
    presentRelay: (addresses) => presentRelay(cluster, { host }, addresses),
  };
}

export async function localAgentHome(local: LocalHost): Promise<AgentHome> {
  const { cluster, host, signal } = local;
  const identity = await HostIdentity.open(cluster, { role: "agent", host }, signal);
  return {
    ...common(local, identity, "agent"),
    view: cluster.view,
    audit: cluster.audit,
    redaction: cluster.keys.audit.redaction,
    present: (apps) => cluster.store.update((tx) => tx.put("agent", host, { apps })),
    signAppToken: (request) => signAppToken(cluster, request),
  };
}

function common(
  { cluster, host }: LocalHost,
  identity: HostIdentity,
  role: "agent" | "relay",
) {
  const { clock, log, name, store, view } = cluster;
  return {
    cluster: name,
    host,
    clock,
    log,
    credentials: () => identity.credentials,
    facts: () => clusterFacts(cluster, role),
    onFacts(listener: () => void) {
      const stops = [
        view.subscribe(listener),
        store.subscribe((changes) => changes.some(({ kind }) => kind === "relay") && listener()),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}
