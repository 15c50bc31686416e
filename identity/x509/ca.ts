import { webcrypto } from "node:crypto";
import type { Name as DistinguishedName } from "@peculiar/x509";
import { generateKeyPair } from "../keys.ts";
import type { CaKind } from "./_certificate.ts";
import {
  clusterName,
  importPrivateKey,
  importPublicKey,
  randomSerial,
  SIGNING,
  skewed,
} from "./_signing.ts";
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "./_x509.ts";

/** A certificate authority: its certificate and its private key, both PEM. */
export interface Ca {
  readonly certificate: string;
  readonly key: string;
}

export interface CaOptions {
  readonly cluster: string;
  readonly kind: CaKind;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Makes a self-signed CA that may sign certificates for machines and no further CAs. */
export async function createCa(options: CaOptions): Promise<Ca> {
  const cluster = clusterName(options.cluster);
  const name = caName(cluster, options.kind);
  const pair = generateKeyPair();
  const publicKey = await importPublicKey(pair.publicKey);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: name,
    issuer: name,
    notBefore: skewed(options.notBefore),
    notAfter: options.notAfter,
    signingAlgorithm: SIGNING,
    publicKey,
    signingKey: await importPrivateKey(pair.privateKey),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      new SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${cluster}` }]),
    ],
  }, webcrypto as Crypto);
  return { certificate: `${certificate.toString("pem")}\n`, key: pair.privateKey };
}

function caName(cluster: string, kind: CaKind): DistinguishedName {
  return new Name([
    { O: [{ utf8String: cluster }] },
    { OU: [{ utf8String: kind }] },
    { CN: [{ utf8String: `${cluster} ${kind} CA`.slice(0, 64) }] },
  ]);
}
