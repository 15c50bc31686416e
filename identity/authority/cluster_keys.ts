import { generateKeyPair } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
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
  /** Signs tokens that tell servers who calls. */
  readonly jwt: KeyPair;
}

const CA_YEARS = 10;

/** Clusters that were made before there were tokens have no key for them. */
type FirstKeys = Omit<ClusterKeys, "jwt">;

/** The cluster's keys from the store; what it has not is made and stored. */
export function loadClusterKeys(store: Store, cluster: string, now: Date): Promise<ClusterKeys> {
  return store.update(async (tx) => {
    const stored = (await tx.get<FirstKeys | ClusterKeys>("ca", "keys"))?.value;
    if (stored && "jwt" in stored) return stored;
    const keys = { ...stored ?? await createKeys(cluster, now), jwt: generateKeyPair() };
    await tx.put("ca", "keys", keys);
    return keys;
  });
}

async function createKeys(cluster: string, notBefore: Date): Promise<FirstKeys> {
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
