import { IdentityError } from "../error.ts";
import type { BotClaims, Claims, IdentityClaims } from "../x509/claims.ts";
import type { CertificateInfo } from "../x509/mod.ts";
import { readCertificate, verifyCertificate } from "../x509/mod.ts";
import type { Cluster } from "./cluster.ts";

/** Who is calling: a proven certificate of the wanted kind, whose bot may act now. */
export interface Caller<C extends Claims> {
  readonly certificate: CertificateInfo;
  readonly claims: C;
}

type MachineKind = "bot" | "identity";
type MachineClaims<K extends MachineKind> = K extends "bot" ? BotClaims : IdentityClaims;

/**
 * Judges the client certificate (DER) of one request. TLS has proven that the caller holds its
 * key; issuer, dates and locks are judged here, for each request and not for each connection.
 */
export async function identifyCaller<K extends MachineKind>(
  cluster: Cluster,
  peer: Uint8Array | undefined,
  kind: K,
): Promise<Caller<MachineClaims<K>>> {
  if (!peer) {
    throw new IdentityError("ACCESS_DENIED", "This call needs a client certificate", {
      hint: "Present the certificate that tbot wrote",
    });
  }
  const certificate = readCertificate(peer);
  await verifyCertificate(
    certificate,
    [cluster.keys.user.certificate],
    cluster.clock.now(),
    "client",
  );
  const { claims } = certificate;
  if (claims.kind !== kind) {
    throw new IdentityError(
      "ACCESS_DENIED",
      `This call needs a certificate of kind "${kind}", not "${claims.kind}"`,
      { hint: kind === "identity" ? "Use an identity file that tbot wrote to a destination" : "" },
    );
  }
  demandStanding(cluster, claims as BotClaims | IdentityClaims);
  return { certificate, claims: claims as MachineClaims<K> };
}

function demandStanding(cluster: Cluster, { bot, instance }: BotClaims | IdentityClaims): void {
  const standing = cluster.view.standing(bot, instance);
  switch (standing.kind) {
    case "live":
      return;
    case "locked":
      throw new IdentityError("LOCKED", `Bot "${bot}" is locked: ${standing.message}`, {
        hint: "An administrator can list locks with `tctl get lock` and remove one with `tctl rm`",
      });
    case "gone":
      throw new IdentityError("ACCESS_DENIED", `Bot "${bot}" does not exist any more`, {
        hint: "Create it with `tctl bots add`, and join again",
      });
  }
}
