// @peculiar/x509 reads Reflect.getMetadata while it is being loaded. Bun loads CommonJS packages as
// they arrive, whatever the order of the imports; only waiting for one makes it the first.
await import("reflect-metadata");

export const {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} = await import("@peculiar/x509");
