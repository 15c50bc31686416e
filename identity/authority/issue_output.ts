import { normalizePublicKey } from "../keys.ts";
import { IdentityError } from "../error.ts";
import type { BotClaims } from "../x509/claims.ts";
import type { IdentityRequest, IssuedCertificates } from "./api.ts";
import type { Caller } from "./caller.ts";
import type { BotItem, Cluster } from "./cluster.ts";
import { issueIdentityCertificates, notAfter } from "./issuing.ts";

/** Issues the certificates of one output: the bot's roles, never longer than the bot itself. */
export async function issueOutput(
  cluster: Cluster,
  { certificate, claims }: Caller<BotClaims>,
  request: IdentityRequest,
): Promise<IssuedCertificates> {
  const { bot, instance } = claims;
  const item = await cluster.store.get<BotItem>("bot", bot);
  if (!item) throw new IdentityError("ACCESS_DENIED", `Bot "${bot}" does not exist any more`);
  const held = item.value.roles;
  const foreign = request.roles?.find((role) => !held.includes(role));
  if (foreign !== undefined) {
    throw new IdentityError(
      "ACCESS_DENIED",
      `Cannot issue an identity: bot "${bot}" does not have the role "${foreign}"`,
      { hint: `Grant it with \`tctl bots update ${bot} --add-roles ${foreign}\`` },
    );
  }
  const ttl = Math.min(request.ttl, item.value.maxSessionTtl ?? Infinity);
  return await issueIdentityCertificates(cluster, {
    publicKey: normalizePublicKey(request.publicKey),
    claims: {
      kind: "identity",
      bot,
      instance,
      roles: request.roles ?? held,
      traits: item.value.traits,
      reissue: request.reissue,
      ...(request.app !== undefined && { app: request.app }),
    },
    notAfter: notAfter(cluster.clock.now(), ttl, certificate.notAfter),
  });
}
