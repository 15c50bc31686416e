import { randomBytes } from "node:crypto";
import { createSigningKey } from "../keys.ts";
import type { KeyPair } from "../keys.ts";
import type { SshCa } from "../ssh/mod.ts";
import { createSshCa } from "../ssh/mod.ts";
import type { Store } from "../storage/store.ts";
import type { Ca } from "../x509/mod.ts";
import { createCa } from "../x509/mod.ts";
import type { CaKeys, CaType, RotatingCa } from "./ca_rotation.ts";
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
  /** What is known of the CAs besides the keys that sign; nothing of one never rotated. */
  readonly rotations?: Partial<Readonly<Record<CaType, Omit<RotatingCa, "active">>>>;
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

/** One CA with its rotation. */
export function caOf(keys: ClusterKeys, type: CaType): RotatingCa {
  return { ...keys.rotations?.[type], active: { tls: keys[type], ssh: keys[SSH[type]] } };
}

/** The keys with one CA replaced. */
export function withCa(keys: ClusterKeys, type: CaType, ca: RotatingCa): ClusterKeys {
  const { active, ...rotation } = ca;
  const rotations = { ...keys.rotations, [type]: rotation };
  return { ...keys, [type]: active.tls, [SSH[type]]: active.ssh, rotations };
}

/** What is trusted of a CA, the one that signs first. */
export function trustedOf(keys: ClusterKeys, type: CaType): readonly CaKeys[] {
  const { active, additional } = caOf(keys, type);
  return additional ? [active, additional] : [active];
}

/** The X.509 certificates of these, PEM. */
export function trustedCertificates(keys: ClusterKeys, type: CaType): readonly string[] {
  return trustedOf(keys, type).map(({ tls }) => tls.certificate);
}

const SSH = { host: "sshHost", user: "sshUser" } as const;

/** Keys for a CA that begins now. */
export async function createCaKeys(
  cluster: string,
  kind: CaType,
  notBefore: Date,
): Promise<CaKeys> {
  const notAfter = new Date(notBefore);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + CA_YEARS);
  return { tls: await createCa({ cluster, kind, notBefore, notAfter }), ssh: createSshCa() };
}

async function createKeys(cluster: string, notBefore: Date): Promise<StoredKeys> {
  const user = await createCaKeys(cluster, "user", notBefore);
  const host = await createCaKeys(cluster, "host", notBefore);
  return {
    user: user.tls,
    host: host.tls,
    sshUser: user.ssh,
    sshHost: host.ssh,
    ticket: createSigningKey(),
  };
}
