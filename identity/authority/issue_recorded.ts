/** Certificates that the cluster signs: each is in the audit log before anybody has it. */
import type { Claims } from "../x509/claims.ts";
import { type CertificateRequest, issueCertificate } from "../x509/mod.ts";
import type { Cluster } from "./cluster.ts";

/** `user_kind` of a bot, as the original counts. */
const USER_KIND_BOT = 2;

/** Signs a certificate with the CA that its claims ask for; PEM. */
export async function issueRecorded(
  cluster: Cluster,
  request: Omit<CertificateRequest, "cluster">,
): Promise<string> {
  const { audit, keys, name } = cluster;
  const { claims, notAfter } = request;
  const kind = claims.kind === "host" ? "host" : "user";
  const { certificate, serial } = await issueCertificate(keys[kind], { ...request, cluster: name });
  await audit.append({
    type: "cert.create",
    code: "TC000I",
    cert_type: kind,
    serial_number: serial,
    ...(claims.kind === "host" ? {} : botFields(claims)),
    identity: { ...identityOf(claims), expires: notAfter.toISOString() },
  });
  return certificate;
}

interface Machine {
  readonly bot: string;
  readonly instance: string;
}

/** Fields of events about what a bot does at the authority. */
export function botFields({ bot, instance }: Machine): Readonly<Record<string, unknown>> {
  return {
    user: `bot-${bot}`,
    user_kind: USER_KIND_BOT,
    bot_name: bot,
    bot_instance_id: instance,
  };
}

/** Under the original's names, as far as it has such. */
function identityOf(claims: Claims): Record<string, unknown> {
  switch (claims.kind) {
    case "host":
      return { user: claims.host, system_role: claims.role };
    case "bot":
      return {
        ...machine(claims),
        renewable: true,
        disallow_reissue: false,
        generation: claims.generation,
      };
    case "identity":
      return {
        ...machine(claims),
        roles: claims.roles,
        traits: claims.traits,
        renewable: false,
        disallow_reissue: !claims.reissue,
        ...(claims.app !== undefined && { route_to_app: { name: claims.app } }),
      };
    case "session":
      return {
        ...machine(claims),
        roles: claims.roles,
        traits: claims.traits,
        renewable: false,
        disallow_reissue: true,
        route_to_app: { name: claims.app, session_id: claims.session },
      };
  }
}

function machine({ bot, instance }: Machine): Record<string, unknown> {
  return {
    user: `bot-${bot}`,
    bot_name: bot,
    bot_instance_id: instance,
    private_key_policy: "none",
  };
}
