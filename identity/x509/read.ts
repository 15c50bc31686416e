import { Buffer } from "node:buffer";
import type { X509Certificate } from "@peculiar/x509";
import { IdentityError } from "../error.ts";
import { parseX509, uriNames } from "./_certificate.ts";
import { CLAIMS_OID, decodeClaims } from "./_claims_extension.ts";
import { spiffeId } from "./claims.ts";
import type { Claims } from "./claims.ts";
import { BasicConstraintsExtension } from "./_x509.ts";

/** What a certificate of ours says. It is not trusted before `verifyCertificate` has passed. */
export interface CertificateInfo {
  readonly cluster: string;
  readonly spiffeId: string;
  readonly claims: Claims;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Lower-case hex. */
  readonly serial: string;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** DER. */
  readonly raw: Uint8Array;
}

/** The critical extensions that reading or verifying looks at. */
const UNDERSTOOD = new Set(["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"]);

/**
 * Reads one certificate strictly: one SPIFFE ID, one set of claims, and both agree. Throws
 * `CERTIFICATE_INVALID`. Reading says nothing about who signed it.
 */
export function readCertificate(source: string | Uint8Array): CertificateInfo {
  const certificate = parseX509(source);
  const ids = uriNames(certificate);
  const extensions = certificate.getExtensions(CLAIMS_OID);
  const [id] = ids;
  const [extension] = extensions;
  if (id === undefined || ids.length > 1) throw invalid(`${ids.length} URI names instead of one`);
  if (extension === undefined || extensions.length > 1) {
    throw invalid(`${extensions.length} sets of claims instead of one`);
  }
  const claims = decodeClaims(new Uint8Array(extension.value));
  if (claims === undefined) throw invalid("claims that cannot be read");
  const cluster = /^spiffe:\/\/([a-z0-9._-]+)\//.exec(id)?.[1];
  if (cluster === undefined || spiffeId(cluster, claims) !== id) {
    throw invalid("claims that do not belong to its SPIFFE ID");
  }
  if (certificate.getExtension(BasicConstraintsExtension)?.ca !== false) {
    throw invalid("no mark that it is not a CA");
  }
  // RFC 5280 §4.2: a certificate with a critical extension that is not understood is refused.
  const strange = certificate.extensions.find(({ critical, type }) =>
    critical && !UNDERSTOOD.has(type)
  );
  if (strange) throw invalid(`an unknown critical extension ${strange.type}`);
  const info: CertificateInfo = {
    cluster,
    spiffeId: id,
    claims,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    serial: certificate.serialNumber.toLowerCase(),
    publicKey: `${certificate.publicKey.toString("pem")}\n`,
    raw: Buffer.from(certificate.rawData),
  };
  parsed.set(info, certificate);
  return info;
}

/** Parsing costs more than all that is read: whoever verifies need not do it again. */
const parsed = new WeakMap<CertificateInfo, X509Certificate>();

/** The certificate that was read. */
export function parsedOf(info: CertificateInfo): X509Certificate {
  return parsed.get(info) ?? parseX509(info.raw);
}

function invalid(found: string): IdentityError {
  return new IdentityError("CERTIFICATE_INVALID", `Cannot accept the certificate: it has ${found}`);
}
