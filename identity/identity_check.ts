/** What an identity file says about itself, read with `node:crypto` alone. */
import { X509Certificate } from "node:crypto";
import { IdentityError } from "./error.ts";
import type { IdentityFile } from "./identity_file.ts";

/** The cluster that an identity belongs to: the trust domain of its SPIFFE ID. */
export function identityCluster(file: Pick<IdentityFile, "tlsCertificate">): string {
  const names = new X509Certificate(file.tlsCertificate).subjectAltName ?? "";
  const cluster = /(?:^|, )URI:spiffe:\/\/([a-z0-9._-]+)\//.exec(names)?.[1];
  if (cluster !== undefined) return cluster;
  throw new IdentityError(
    "IDENTITY_FILE_INVALID",
    "Cannot tell the cluster of the identity: its certificate has no SPIFFE ID",
    { hint: "Use an identity that tbot has written" },
  );
}

/** The end of an identity's validity. */
export function identityExpiry(file: Pick<IdentityFile, "tlsCertificate">): Date {
  return new Date(new X509Certificate(file.tlsCertificate).validTo);
}

/**
 * Milliseconds that a certificate which has just been issued holds for. By a clock of this machine
 * that is plainly wrong, it would have ended already or not begun: then its own dates say it.
 */
export function freshLife(file: Pick<IdentityFile, "tlsCertificate">, now: Date): number {
  const { validFrom, validTo } = new X509Certificate(file.tlsCertificate);
  const end = Date.parse(validTo);
  const whole = end - Date.parse(validFrom);
  const left = end - now.getTime();
  return left > 0 && left <= whole ? left : whole;
}

/** Throws `CERTIFICATE_EXPIRED` when the identity has ended at `now`. */
export function checkIdentity(file: Pick<IdentityFile, "tlsCertificate">, now: Date): void {
  const expiry = identityExpiry(file);
  if (now < expiry) return;
  throw new IdentityError(
    "CERTIFICATE_EXPIRED",
    `Cannot use the identity: it expired at ${expiry.toISOString()}`,
    { hint: "Check that tbot is running and can renew; its log says why it could not" },
  );
}
