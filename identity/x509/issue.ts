import { webcrypto } from "node:crypto";
import type { Name as DistinguishedName } from "@peculiar/x509";
import { IdentityError } from "../error.ts";
import { normalizePublicKey } from "../keys.ts";
import type { Ca } from "./ca.ts";
import { parseCa } from "./_certificate.ts";
import { CLAIMS_OID, encodeClaims } from "./_claims_extension.ts";
import { importPrivateKey, importPublicKey, randomSerial, SIGNING, skewed } from "./_signing.ts";
import { spiffeId } from "./claims.ts";
import type { Claims } from "./claims.ts";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "./_x509.ts";

/** What a certificate may be used for in TLS. */
export type Usage = "client" | "server";

export interface CertificateRequest {
  readonly cluster: string;
  /** SPKI PEM of the holder's P-256 key. */
  readonly publicKey: string;
  readonly claims: Claims;
  /** Now, as a rule: validity starts a minute earlier, for clocks that are behind. */
  readonly notBefore: Date;
  /** Cut to the CA's own end. */
  readonly notAfter: Date;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly usage: readonly Usage[];
}

export interface IssuedCertificate {
  /** PEM. */
  readonly certificate: string;
  /** Lower-case hex. */
  readonly serial: string;
}

/** RFC 5280, ub-common-name and ub-organization-name. */
const MAX_NAME_CHARS = 64;

/** Signs one certificate for a machine: never a CA, and never longer than the CA that signs. */
export async function issueCertificate(
  ca: Ca,
  request: CertificateRequest,
): Promise<IssuedCertificate> {
  const { cluster, claims } = request;
  const issuer = parseCa(ca.certificate);
  const wanted = claims.kind === "host" ? "host" : "user";
  if (issuer.kind !== wanted || issuer.cluster !== cluster) {
    throw new IdentityError(
      "BAD_REQUEST",
      `Cannot sign a ${claims.kind} certificate of "${cluster}" with the ${issuer.kind} CA of "${issuer.cluster}"`,
    );
  }
  const notBefore = later(skewed(request.notBefore), issuer.certificate.notBefore);
  const notAfter = earlier(request.notAfter, issuer.certificate.notAfter);
  if (notAfter <= request.notBefore) {
    throw new IdentityError(
      "CERTIFICATE_EXPIRED",
      `Cannot issue a certificate that ends at ${notAfter.toISOString()}, before it begins`,
      { hint: "Ask for a longer lifetime, or rotate the CA if it has come to its end" },
    );
  }
  const extension = new Extension(CLAIMS_OID, false, encodeClaims(claims));
  const serial = randomSerial();
  const publicKey = await importPublicKey(normalizePublicKey(request.publicKey));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial,
    subject: subjectName(claims),
    issuer: issuer.certificate.subjectName,
    notBefore,
    notAfter,
    signingAlgorithm: SIGNING,
    publicKey,
    signingKey: await signingKey(ca.key),
    extensions: [
      // RFC 5280 §4.2.1.9: without cA=TRUE this certificate may not issue.
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(request.usage.map((usage) => USAGES[usage])),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await issuer.keyId(),
      new SubjectAlternativeNameExtension([
        { type: "url", value: spiffeId(cluster, claims) },
        ...(request.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
        ...(request.ipAddresses ?? []).map((value) => ({ type: "ip" as const, value })),
      ]),
      extension,
    ],
  }, webcrypto as Crypto);
  return { certificate: `${certificate.toString("pem")}\n`, serial };
}

const USAGES = {
  client: ExtendedKeyUsage.clientAuth,
  server: ExtendedKeyUsage.serverAuth,
} as const;

/** For people and for other tools; our own programs judge by the SPIFFE ID and the claims. */
function subjectName(claims: Claims): DistinguishedName {
  const common = claims.kind === "host" ? claims.host : `bot-${claims.bot}`;
  const organizations = claims.kind === "host"
    ? [claims.role]
    : claims.kind === "bot"
    ? []
    : claims.roles;
  return new Name([
    { CN: [{ utf8String: cut(common) }] },
    ...organizations.map((name) => ({ O: [{ utf8String: cut(name) }] })),
  ]);
}

function cut(name: string): string {
  return [...name].slice(0, MAX_NAME_CHARS).join("");
}

/** Imported CA keys by their PEM; a cluster has two, and a few more during a rotation. */
const signingKeys = new Map<string, Promise<CryptoKey>>();
const MAX_SIGNING_KEYS = 8;

function signingKey(pem: string): Promise<CryptoKey> {
  const known = signingKeys.get(pem);
  if (known) return known;
  if (signingKeys.size >= MAX_SIGNING_KEYS) signingKeys.clear();
  const imported = importPrivateKey(pem);
  signingKeys.set(pem, imported);
  return imported;
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b;
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
