/** What the authority signs for bots: the two certificates that an identity is made of. */
import { sshPublicKey } from "../ssh/mod.ts";
import { issueSshCertificate } from "../ssh/mod.ts";
import type { Claims } from "../x509/claims.ts";
import type { IssuedCertificates, TrustBundle } from "./api.ts";
import type { Cluster } from "./cluster.ts";
import type { CaType } from "./ca_rotation.ts";
import { type ClusterKeys, trustedCertificates, trustedOf } from "./cluster_keys.ts";
import { issueRecorded } from "./issue_recorded.ts";
import { publicKeyOf } from "../keys.ts";

/** The longest that a bot's own certificate may live, in seconds; the original's limit. */
export const MAX_BOT_TTL = 24 * 3600;

// OpenSSH takes a certificate without principals as good for every login name.
const NO_LOGIN = "-postern-nologin";

export interface IssueRequest {
  /** SPKI PEM. */
  readonly publicKey: string;
  readonly claims: Exclude<Claims, { kind: "host" }>;
  readonly notAfter: Date;
}

/** Signs the X.509 and the SSH certificate for one key. */
export async function issueIdentityCertificates(
  cluster: Cluster,
  { publicKey, claims, notAfter }: IssueRequest,
): Promise<IssuedCertificates> {
  const notBefore = cluster.clock.now();
  const certificate = await issueRecorded(cluster, {
    publicKey,
    claims,
    notBefore,
    notAfter,
    usage: ["client"],
  });
  const ssh = issueSshCertificate({
    ca: cluster.keys.sshUser,
    publicKey,
    keyId: `bot-${claims.bot}`,
    principals: [NO_LOGIN],
    validAfter: notBefore,
    validBefore: notAfter,
    kind: "user",
  });
  return { tls: certificate, ssh, trust: trustBundle(cluster) };
}

/** The CAs that a member of the cluster trusts; of each kind, the one that signs first. */
export function trustBundle({ name, keys }: Cluster): TrustBundle {
  return {
    cluster: name,
    hostCas: trustedCertificates(keys, "host"),
    userCas: trustedCertificates(keys, "user"),
    sshHostCas: sshKeys(keys, "host"),
    sshUserCas: sshKeys(keys, "user"),
  };
}

function sshKeys(keys: ClusterKeys, type: CaType): readonly string[] {
  return trustedOf(keys, type).map(({ ssh }) => sshPublicKey(publicKeyOf(ssh.privateKey)));
}

/** The end of a lifetime that begins now, cut to each of the given ends. */
export function notAfter(now: Date, ttlSeconds: number, ...ends: readonly Date[]): Date {
  const wanted = now.getTime() + ttlSeconds * 1000;
  return new Date(Math.min(wanted, ...ends.map((end) => end.getTime())));
}
