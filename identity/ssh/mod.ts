/** SSH CAs and OpenSSH certificates, on `node:crypto` alone. */
export { fromAuthorizedKey, toAuthorizedKey } from "./authorized_key.ts";
export { issueSshCertificate } from "./certificate.ts";
export type { SshCertificateRequest } from "./certificate.ts";
export { createSshCa, sshPublicKey } from "./keys.ts";
export type { SshCa } from "./keys.ts";
export { certAuthorityLine } from "./known_hosts.ts";
