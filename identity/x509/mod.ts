/** X.509 on @peculiar/x509: heavy to load, so it has a door of its own. */
export { createCa } from "./ca.ts";
export type { Ca, CaOptions } from "./ca.ts";
export type { CaKind } from "./_certificate.ts";
export { issueCertificate } from "./issue.ts";
export type { CertificateRequest, IssuedCertificate, Usage } from "./issue.ts";
export { readCertificate } from "./read.ts";
export type { CertificateInfo } from "./read.ts";
export { verifyCertificate } from "./verify.ts";
