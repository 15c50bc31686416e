import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import type { X509Certificate } from "@peculiar/x509";
import { IdentityError } from "../error.ts";
import { parseCa } from "./_certificate.ts";
import type { CaCertificate } from "./_certificate.ts";
import type { Usage } from "./issue.ts";
import { type CertificateInfo, parsedOf } from "./read.ts";
import { ExtendedKeyUsage, ExtendedKeyUsageExtension } from "./_x509.ts";

/**
 * Passes when one of `cas` signed the certificate and it may be used so now; throws
 * `CERTIFICATE_EXPIRED` or `CERTIFICATE_INVALID` otherwise. Chains have one link: our CAs sign
 * machines directly, so there is no path to build and nothing to mistake for a trusted one.
 */
export async function verifyCertificate(
  info: CertificateInfo,
  cas: readonly string[],
  now: Date,
  usage: Usage,
): Promise<void> {
  const certificate = parsedOf(info);
  const usages = certificate.getExtension(ExtendedKeyUsageExtension)?.usages ?? [];
  if (!usages.includes(USAGES[usage])) {
    throw invalid(info, `it is not meant for a TLS ${usage}`);
  }
  const kind = info.claims.kind === "host" ? "host" : "user";
  const issuers = cas.map(parseCa).filter((ca) =>
    ca.kind === kind && ca.cluster === info.cluster && isCurrent(ca.certificate, now) &&
    sameName(ca, certificate)
  );
  if (!(await isSignedByOne(certificate, issuers))) {
    throw invalid(info, `no current ${kind} CA of the cluster signed it`);
  }
  if (now < certificate.notBefore) {
    throw invalid(info, `it is valid only from ${certificate.notBefore.toISOString()}`);
  }
  if (now > certificate.notAfter) {
    throw new IdentityError(
      "CERTIFICATE_EXPIRED",
      `Cannot accept the certificate of ${info.spiffeId}: it expired at ${certificate.notAfter.toISOString()}`,
      { hint: "Check that tbot is running and can renew" },
    );
  }
}

const USAGES = {
  client: ExtendedKeyUsage.clientAuth,
  server: ExtendedKeyUsage.serverAuth,
} as const;

async function isSignedByOne(
  certificate: X509Certificate,
  issuers: readonly CaCertificate[],
): Promise<boolean> {
  for (const ca of issuers) {
    const verified = await certificate.verify(
      { publicKey: await ca.verifyingKey(), signatureOnly: true },
      webcrypto as Crypto,
    );
    if (verified) return true;
  }
  return false;
}

function isCurrent({ notBefore, notAfter }: X509Certificate, now: Date): boolean {
  return notBefore <= now && now <= notAfter;
}

// RFC 5280 §6.1.3 (a)(4): the issuer's name is the subject of the CA.
function sameName(ca: CaCertificate, certificate: X509Certificate): boolean {
  return ca.subject.equals(Buffer.from(certificate.issuerName.toArrayBuffer()));
}

function invalid(info: CertificateInfo, because: string): IdentityError {
  return new IdentityError(
    "CERTIFICATE_INVALID",
    `Cannot accept the certificate of ${info.spiffeId}: ${because}`,
  );
}
