import type { NewBot } from "../../identity/authority/admin/mod.ts";

/** What a person does with a new bot. */
export function botInstructions(bot: NewBot): string[] {
  return [`Bot "${bot.bot}" has been created.`, "", ...joinInstructions(bot)];
}

/** How a machine joins with a token that was made now. */
export function joinInstructions(
  { bot, caPins, method, publicAddress, token, ttl }: Omit<NewBot, "roles">,
): string[] {
  return [
    `The bot token: ${token}`,
    ...(ttl === undefined ? [] : [expiryLine(ttl)]),
    "",
    "Start the bot on its machine, for example:",
    "",
    "> tbot start identity \\",
    "   --destination=./machine-id \\",
    `   --token=${token} \\`,
    ...caPins.map((pin) => `   --ca-pin=${pin} \\`),
    `   --proxy-server=${publicAddress ?? "example.com:443"} \\`,
    `   --join-method=${method}`,
    "",
    "Please note:",
    "",
    ...(method === "token"
      ? ["  - The token is single-use: the first machine that joins with it spends it."]
      : []),
    ...(method === "bound_keypair"
      ? [
        "  - To register its key the machine needs a secret, unless the token has the key already:",
        `    tctl get token/${token} --with-secrets`,
      ]
      : []),
    ...(publicAddress === undefined
      ? ["  - Replace example.com:443 with the cluster's public address."]
      : []),
    `  - A token for one more machine: tctl bots instances add ${bot}`,
  ];
}

export function expiryLine(ttl: number): string {
  const minutes = Math.floor(ttl / 60);
  const left = minutes === 0 ? `${ttl} seconds` : minutes === 1 ? "1 minute" : `${minutes} minutes`;
  return `This token will expire in ${left}.`;
}
