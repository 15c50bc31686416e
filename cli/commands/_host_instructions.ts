import type { NewHostToken } from "../../identity/authority/admin/mod.ts";
import { expiryLine } from "./_bot_instructions.ts";

/** What a person does with a new token for agents or relays. */
export function hostInstructions(
  { apps, caPins, publicAddress = "example.com:443", roles, token, ttl }: NewHostToken,
): string[] {
  const yes = (role: NewHostToken["roles"][number]) => roles.includes(role) ? "yes" : "no";
  return [
    `The invite token: ${token}`,
    expiryLine(ttl),
    "Any number of hosts can join with it until then.",
    ...(apps ? [`Its agents may serve: ${apps.join(", ")}`] : []),
    "",
    "On the host, in teleport.yaml:",
    "",
    "  teleport:",
    `    proxy_server: ${publicAddress}`,
    "    join_params:",
    "      method: token",
    `      token_name: ${token}`,
    "    ca_pin:",
    ...caPins.map((pin) => `      - ${pin}`),
    "  auth_service: {enabled: no}",
    `  proxy_service: {enabled: ${yes("relay")}}`,
    `  app_service: {enabled: ${yes("agent")}}`,
    "",
    "and then: app-agent start -c teleport.yaml",
  ];
}
