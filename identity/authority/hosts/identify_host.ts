import { lockedError } from "../../access/locked.ts";
import { IdentityError } from "../../error.ts";
import { type CertificateInfo, readCertificate, verifyCertificate } from "../../x509/mod.ts";
import { type Connection, type HostKind, recordRefusal, whyNone, wrongKind } from "../caller.ts";
import type { Cluster, HostItem, JoinedRole } from "../cluster.ts";
import { trustedCertificates } from "../cluster_keys.ts";

/** A host that has joined, is not locked, and was not removed. */
export interface HostCaller {
  readonly host: string;
  readonly role: JoinedRole;
  readonly item: HostItem;
}

const ROLES: Readonly<Record<HostKind, readonly JoinedRole[]>> = {
  agent: ["agent"],
  relay: ["relay"],
  host: ["agent", "relay"],
};

/**
 * Judges the client certificate of one request as that of a host. Whoever has a certificate of the
 * cluster and is refused is recorded, as `identifyCaller` does.
 */
export async function identifyHost(
  cluster: Cluster,
  { peer, remote, stranger }: Connection,
  kind: HostKind,
): Promise<HostCaller> {
  if (!peer) throw await whyNone(cluster, stranger, kind);
  const certificate = readCertificate(peer);
  try {
    return await judge(cluster, certificate, kind);
  } catch (error) {
    await recordRefusal(cluster, certificate, { error, remote });
    throw error;
  }
}

async function judge(
  cluster: Cluster,
  certificate: CertificateInfo,
  kind: HostKind,
): Promise<HostCaller> {
  const { claims } = certificate;
  const role = claims.kind === "host" && ROLES[kind].find((each) => each === claims.role);
  if (claims.kind !== "host" || !role) throw wrongKind(claims, kind);
  const { clock, keys } = cluster;
  await verifyCertificate(certificate, trustedCertificates(keys, "host"), clock.now(), "client");
  return { host: claims.host, role, item: await standing(cluster, claims.host) };
}

/** The host's item; throws when it may not act any more. */
async function standing({ store, view }: Cluster, host: string): Promise<HostItem> {
  // INVARIANT (closed): a lock of another authority counts from its commit on, not from the news.
  await store.catchUp();
  const item = await store.get<HostItem>("host", host);
  if (!item) {
    throw new IdentityError("ACCESS_DENIED", `Host ${host} does not exist any more`, {
      hint: "Remove its data directory, and join again with a new token",
    });
  }
  const lock = view.hostLocked(host);
  if (lock === undefined) return item.value;
  throw lockedError(`Host ${host} is locked${lock === "" ? "" : `: ${lock}`}`);
}
