import type { IssuedHost } from "../api.ts";
import type { Cluster, JoinedRole } from "../cluster.ts";
import { issueRecorded } from "../issue_recorded.ts";
import { trustBundle } from "../issuing.ts";

/** How long the certificate of a host lives that has joined. */
export const HOST_SECONDS = 24 * 3600;

export interface HostCertificateRequest {
  readonly host: string;
  readonly role: JoinedRole;
  /** SPKI PEM. */
  readonly publicKey: string;
}

/** Signs the certificate of a joined host: it serves with it, and calls the authority with it. */
export async function issueHost(
  cluster: Cluster,
  { host, role, publicKey }: HostCertificateRequest,
): Promise<IssuedHost> {
  const now = cluster.clock.now();
  const certificate = await issueRecorded(cluster, {
    publicKey,
    claims: { kind: "host", role, host },
    notBefore: now,
    notAfter: new Date(now.getTime() + HOST_SECONDS * 1000),
    usage: ["server", "client"],
  });
  return { host, certificate, trust: trustBundle(cluster) };
}
