import { randomBytes } from "node:crypto";
import { createSigningKey } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
import type { SshCa } from "../ssh/mod.ts";
import { createSshCa } from "../ssh/mod.ts";
import type { Store } from "../storage/store.ts";
import type { Ca } from "../x509/mod.ts";
import { createCa } from "../x509/mod.ts";
import { firstJwtKeys } from "./jwt_keys.ts";

/**
 * The keys that make a cluster: whoever has them is the cluster. Those of tokens for servers are
 * replaced by and by, and stand in `jwt_keys.ts`.
 */
export interface ClusterKeys {
  /** Signs bots, identities and sessions. */
  readonly user: Ca;
  /** Signs authorities, relays and agents. */
  readonly host: Ca;
  readonly sshUser: SshCa;
  readonly sshHost: SshCa;
  readonly ticket: { readonly privateKey: string; readonly publicKey: string };
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
type LaterKeys = Pick<ClusterKeys, "audit">;
type FirstKeys = Omit<ClusterKeys, keyof LaterKeys>;

/** The key for tokens has a place of its own now. */
type StoredKeys = FirstKeys & Partial<LaterKeys> & { readonly jwt?: KeyPair };

/** The cluster's keys from the store; what it has not is made and stored. */
export function loadClusterKeys(store: Store, cluster: string, now: Date): Promise<ClusterKeys> {
  return store.update(async (tx) => {
    const item = await tx.get<StoredKeys>("ca", "keys");
    const { jwt, audit, ...first } = item?.value ?? await createKeys(cluster, now);
    if (!await tx.get("ca", "jwt")) await tx.put("ca", "jwt", firstJwtKeys(now, jwt));
    if (item && audit && jwt === undefined) return { ...first, audit };
    const keys: ClusterKeys = {
      ...first,
      audit: audit ?? { ...createSigningKey(), redaction: randomBytes(32).toString("hex") },
    };
    await tx.put("ca", "keys", keys);
    return keys;
  });
}

async function createKeys(cluster: string, notBefore: Date): Promise<StoredKeys> {
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
