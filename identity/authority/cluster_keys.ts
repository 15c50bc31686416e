import { randomBytes } from "node:crypto";
import { createSigningKey, generateKeyPair } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
import type { SshCa } from "../ssh/mod.ts";
import { createSshCa } from "../ssh/mod.ts";
import type { Store } from "../storage/store.ts";
import type { Ca } from "../x509/mod.ts";
import { createCa } from "../x509/mod.ts";

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
  /** Signs the heads of audit chains, and makes digests of what is redacted. */
  readonly audit: AuditKeys;
}

export interface AuditKeys {
  /** Ed25519, PEM. */
  readonly privateKey: string;
  readonly publicKey: string;
  /** 64 hex digits. */
  readonly redaction: string;
}

const CA_YEARS = 10;

/** What clusters that were made by the first versions have not. */
type LaterKeys = Pick<ClusterKeys, "jwt" | "audit">;
type FirstKeys = Omit<ClusterKeys, keyof LaterKeys>;

/** The cluster's keys from the store; what it has not is made and stored. */
export function loadClusterKeys(store: Store, cluster: string, now: Date): Promise<ClusterKeys> {
  return store.update(async (tx) => {
    const stored = (await tx.get<FirstKeys & Partial<LaterKeys>>("ca", "keys"))?.value;
    const { jwt, audit } = stored ?? {};
    if (stored && jwt && audit) return { ...stored, jwt, audit };
    const keys: ClusterKeys = {
      ...stored ?? await createKeys(cluster, now),
      jwt: jwt ?? generateKeyPair(),
      audit: audit ?? { ...createSigningKey(), redaction: randomBytes(32).toString("hex") },
    };
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
    ticket: createSigningKey(),
  };
}
