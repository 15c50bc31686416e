import type { AppToken } from "../../app_token.ts";
import { IdentityError } from "../../error.ts";
import type { AppTokenAsked } from "../api.ts";
import type { AgentItem, BotItem, Cluster } from "../cluster.ts";
import { signAppToken } from "../sign_app_token.ts";
import type { HostCaller } from "./identify_host.ts";

/**
 * Signs what an agent tells a server about its caller: for the apps that the agent serves, and with
 * no more than the bot has.
 */
export async function signForAgent(
  cluster: Cluster,
  { host }: HostCaller,
  { notAfter, principal, ...request }: AppTokenAsked,
): Promise<AppToken> {
  const { journal } = cluster;
  const served = journal.get<AgentItem>("agent", host)?.value.apps ?? [];
  const bot = journal.get<BotItem>("bot", principal.bot)?.value;
  if (!served.some(({ uri }) => uri === request.audience)) {
    throw denied(`agent ${host} does not serve ${request.audience}`);
  }
  if (!bot || !principal.roles.every((role) => bot.roles.includes(role))) {
    throw denied(`bot "${principal.bot}" does not have these roles`);
  }
  return await signAppToken(cluster, {
    ...request,
    principal: { bot: principal.bot, roles: principal.roles, traits: bot.traits },
    notAfter: new Date(notAfter),
  });
}

function denied(because: string): IdentityError {
  return new IdentityError("ACCESS_DENIED", `Cannot sign a token for a server: ${because}`);
}
