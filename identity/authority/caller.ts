import { botLocked, lockedError } from "../access/locked.ts";
import { IdentityError } from "../error.ts";
import type { BotClaims, Claims, IdentityClaims } from "../x509/claims.ts";
import type { CertificateInfo } from "../x509/mod.ts";
import { readCertificate, verifyCertificate } from "../x509/mod.ts";
import type { Cluster } from "./cluster.ts";
import { caOf, trustedCertificates } from "./cluster_keys.ts";
import { botFields } from "./issue_recorded.ts";

/** Who is calling: a proven certificate of the wanted kind, whose bot may act now. */
export interface Caller<C extends Claims> {
  readonly certificate: CertificateInfo;
  readonly claims: C;
}

/** What an endpoint may ask of a host; `host` is either. */
export type HostKind = "agent" | "relay" | "host";
export type MachineKind = "bot" | "identity";
export type MachineClaims<K extends MachineKind> = K extends "bot" ? BotClaims : IdentityClaims;

/** How somebody has come. */
export interface Connection {
  /** The client certificate, DER, whose key TLS has proven; not judged otherwise. */
  readonly peer: Uint8Array | undefined;
  /** One that TLS has not accepted. It never counts: it is read to say why. */
  readonly stranger?: Uint8Array | undefined;
  readonly remote: string;
}

/**
 * Judges the client certificate of one request. TLS has proven that the caller holds its key;
 * issuer, dates and locks are judged here, for each request and not for each connection. Whoever
 * has a certificate of the cluster and is refused is recorded.
 */
export async function identifyCaller<K extends MachineKind>(
  cluster: Cluster,
  { peer, remote, stranger }: Connection,
  kind: K,
): Promise<Caller<MachineClaims<K>>> {
  if (!peer) throw await whyNone(cluster, stranger, kind);
  const certificate = readCertificate(peer);
  try {
    return { certificate, claims: await judge(cluster, certificate, kind) };
  } catch (error) {
    await recordRefusal(cluster, certificate, { error, remote });
    throw error;
  }
}

async function judge<K extends MachineKind>(
  cluster: Cluster,
  certificate: CertificateInfo,
  kind: K,
): Promise<MachineClaims<K>> {
  await verifyCertificate(
    certificate,
    [...cluster.view.userCas(), ...trustedCertificates(cluster.keys, "host")],
    cluster.clock.now(),
    "client",
  );
  const { claims } = certificate;
  if (claims.kind !== kind) throw wrongKind(claims, kind);
  // INVARIANT (closed): a lock of another authority counts from its commit on, not from the news.
  await cluster.store.catchUp();
  demandStanding(cluster, claims as BotClaims | IdentityClaims);
  return claims as MachineClaims<K>;
}

/** What to tell a caller whom TLS does not know. */
export async function whyNone(
  cluster: Cluster,
  stranger: Uint8Array | undefined,
  kind: MachineKind | HostKind,
): Promise<unknown> {
  if (stranger === undefined) {
    return new IdentityError("CERTIFICATE_MISSING", "This call needs a client certificate", {
      hint: "Present the certificate that tbot wrote",
    });
  }
  let certificate: CertificateInfo;
  try {
    certificate = readCertificate(stranger);
  } catch (error) {
    return error;
  }
  const { clock, keys, view } = cluster;
  try {
    const cas = [...view.userCas(), ...trustedCertificates(keys, "host")];
    await verifyCertificate(certificate, cas, clock.now(), "client");
    return wrongKind(certificate.claims, kind);
  } catch (error) {
    const { lastRotated } = caOf(keys, "user");
    const ours = certificate.cluster === cluster.name && lastRotated !== undefined;
    if (!ours || !(error instanceof IdentityError) || error.code !== "CERTIFICATE_INVALID") {
      return error;
    }
    return new IdentityError(
      "CERTIFICATE_INVALID",
      `Cannot accept the certificate of ${certificate.spiffeId}: no CA that the cluster trusts ` +
        `signed it; the user CA was rotated at ${lastRotated}`,
      {
        hint: "Use the identity file that tbot writes now, not a copy; a tbot that was away " +
          "during the rotation has to join anew, with a new token",
        cause: error,
      },
    );
  }
}

export function wrongKind(claims: Claims, kind: MachineKind | HostKind): IdentityError {
  return new IdentityError(
    "ACCESS_DENIED",
    `This call needs a certificate of kind "${kind}", not "${claims.kind}"`,
    { hint: kind === "identity" ? "Use an identity file that tbot wrote to a destination" : "" },
  );
}

const REFUSALS: ReadonlySet<string> = new Set(["ACCESS_DENIED", "CERTIFICATE_EXPIRED", "LOCKED"]);

/** Records that somebody with a certificate of the cluster was refused. */
export async function recordRefusal(
  { audit }: Cluster,
  { claims, spiffeId }: CertificateInfo,
  { error, remote }: { readonly error: unknown; readonly remote: string },
): Promise<void> {
  // Of a certificate that none of our CAs has signed, nothing is known to be true.
  if (!(error instanceof IdentityError) || !REFUSALS.has(error.code)) return;
  await audit.append({
    type: "auth",
    code: "T3007W",
    ...("bot" in claims ? botFields(claims) : { host_id: claims.host }),
    spiffe_id: spiffeId,
    cert_kind: claims.kind,
    success: false,
    error: error.message,
    reason: error.code,
    "addr.remote": remote,
  });
}

function demandStanding(cluster: Cluster, { bot, instance }: BotClaims | IdentityClaims): void {
  const standing = cluster.view.standing(bot, instance);
  switch (standing.kind) {
    case "live":
      return;
    case "locked":
      throw lockedError(botLocked(bot, standing.message));
    case "gone":
      throw new IdentityError("ACCESS_DENIED", `Bot "${bot}" does not exist any more`, {
        hint: "Create it with `tctl bots add`, and join again",
      });
  }
}
