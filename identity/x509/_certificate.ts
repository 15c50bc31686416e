/**
 * What issuing and verifying share about CA certificates. A private certificate of ours says in
 * its subject which CA made it: `OU=user` or `OU=host`.
 */
import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import type {
  AuthorityKeyIdentifierExtension as KeyIdentifier,
  X509Certificate as Certificate,
} from "@peculiar/x509";
import { IdentityError } from "../error.ts";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from "./_x509.ts";

/** The user CA signs clients, the host CA signs services. */
export type CaKind = "user" | "host";

export interface CaCertificate {
  readonly certificate: Certificate;
  readonly cluster: string;
  readonly kind: CaKind;
  /** The subject's name, DER. */
  readonly subject: Buffer;
  /** What certificates that it signs say of its key. */
  readonly keyId: () => Promise<KeyIdentifier>;
  readonly verifyingKey: () => Promise<CryptoKey>;
}

/** Parsed CAs by their text: there are few, and each is asked for on every connection. */
const parsed = new Map<string, CaCertificate>();

/** More CAs than this are not kept: two kinds, each with an old, a new and a spare. */
const MAX_PARSED = 64;

/** Parses a CA certificate of ours; throws `CERTIFICATE_INVALID` when it is none. */
export function parseCa(pem: string): CaCertificate {
  const known = parsed.get(pem);
  if (known) return known;
  const certificate = parseX509(pem);
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const usages = certificate.getExtension(KeyUsagesExtension);
  const [id, ...more] = uriNames(certificate);
  const cluster = id?.startsWith("spiffe://") ? id.slice("spiffe://".length) : "";
  const [kind] = certificate.subjectName.getField("OU");
  // RFC 5280 §4.2.1.9 and §4.2.1.3: only cA=TRUE with keyCertSign may sign certificates.
  if (
    constraints?.ca !== true || usages === null ||
    (usages.usages & KeyUsageFlags.keyCertSign) === 0 ||
    cluster === "" || cluster.includes("/") || more.length > 0 ||
    (kind !== "user" && kind !== "host")
  ) {
    throw new IdentityError(
      "CERTIFICATE_INVALID",
      "Cannot use the certificate as a CA: it is none",
    );
  }
  const ca: CaCertificate = {
    certificate,
    cluster,
    kind,
    subject: Buffer.from(certificate.subjectName.toArrayBuffer()),
    keyId: once(() => AuthorityKeyIdentifierExtension.create(certificate.publicKey)),
    verifyingKey: once(() => certificate.publicKey.export(webcrypto as Crypto)),
  };
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(pem, ca);
  return ca;
}

/** Makes something at the first call, and keeps it. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}

/** Parses one certificate from PEM or DER; throws `CERTIFICATE_INVALID`. */
export function parseX509(source: string | Uint8Array): Certificate {
  try {
    return new X509Certificate(typeof source === "string" ? derOf(source) : new Uint8Array(source));
  } catch (cause) {
    throw new IdentityError("CERTIFICATE_INVALID", "Cannot read the certificate", { cause });
  }
}

/** The URIs among the subject alternative names. */
export function uriNames(certificate: Certificate): string[] {
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  return names.filter((name) => name.type === "url").map((name) => name.value);
}

const ONE_CERTIFICATE =
  /^\s*-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;

// The library also guesses at hex and bare base64, and takes the first of several PEM blocks.
function derOf(pem: string): Uint8Array<ArrayBuffer> {
  const body = ONE_CERTIFICATE.exec(pem)?.[1];
  if (body === undefined) throw new Error("not exactly one PEM block of the type CERTIFICATE");
  return new Uint8Array(Buffer.from(body, "base64"));
}
