import type { SshCa } from "../ssh/mod.ts";
import { createSshCa } from "../ssh/mod.ts";
import type { Store } from "../storage/store.ts";
import type { Ca } from "../x509/mod.ts";
import { createCa } from "../x509/mod.ts";
import { createTicketKey } from "./ticket.ts";

/** The keys that make a cluster: whoever has them is the cluster. */
export interface ClusterKeys {
  /** Signs bots, identities and sessions. */
  readonly user: Ca;
  /** Signs authorities, relays and agents. */
  readonly host: Ca;
  readonly sshUser: SshCa;
  readonly sshHost: SshCa;
  readonly ticket: { readonly privateKey: string; readonly publicKey: string };
}

const CA_YEARS = 10;

/** The cluster's keys from the store; made and stored when the store is new. */
export function loadClusterKeys(store: Store, cluster: string, now: Date): Promise<ClusterKeys> {
  return store.update(async (tx) => {
    const stored = await tx.get<ClusterKeys>("ca", "keys");
    if (stored) return stored.value;
    const keys = await createClusterKeys(cluster, now);
    await tx.put("ca", "keys", keys);
    return keys;
  });
}

async function createClusterKeys(cluster: string, notBefore: Date): Promise<ClusterKeys> {
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + CA_YEARS);
  return {
    user: await createCa({ cluster, kind: "user", notBefore, notAfter }),
    host: await createCa({ cluster, kind: "host", notBefore, notAfter }),
    sshUser: createSshCa(),
    sshHost: createSshCa(),
    ticket: createTicketKey(),
  };
}
