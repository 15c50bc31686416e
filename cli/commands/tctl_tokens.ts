import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { formatTable } from "../table.ts";
import { expiryLine } from "./_bot_instructions.ts";
import { hostInstructions } from "./_host_instructions.ts";
import { formatOption, names, seconds } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** As many digits of an id as tell tokens apart, and as `rm` takes. */
const SHOWN_DIGITS = 16;

/** `tctl tokens …`: secrets that a machine joins with, once. */
export function addTokens(root: TctlRoot, tctl: Tctl): void {
  const tokens = root.command("tokens").alias("token").description("One-time tokens to join with");
  tokens.command("add").description("Make a token for a machine that is to join")
    .addOption(
      new Option("--type <type,…>", "who joins with it: bot, or app (an agent) and proxy (a relay)")
        .argParser(tokenTypes).default(["bot"]),
    )
    .option("--bot <name>", "the bot to join as")
    .option("--apps <names>", "the only apps that its agents may serve, `*` for any text", names)
    .option("--ttl <duration>", "how long it is good for (30m)", seconds)
    .option("--value <token>", "the token itself; a random one without it")
    .addOption(formatOption())
    .action(async ({ format, type, bot, apps, ...request }, command) => {
      const usage = (problem: string) =>
        command.error(`error: ${problem}`, { code: "commander.invalidArgument", exitCode: 1 });
      const roles = hostRoles(type);
      if (roles.length > 0 && type.includes("bot")) {
        usage("a token is for a bot or for hosts, not for both");
      }
      if (roles.length > 0) {
        if (bot !== undefined) usage("--bot goes with --type=bot");
        const made = await tctl.withAdmin((admin) =>
          admin.addHostToken({ ...request, roles, ...(apps && { apps }) })
        );
        return format === "text" ? tctl.say(...hostInstructions(made)) : tctl.data(format, made);
      }
      if (bot === undefined) return usage("--type=bot needs --bot, the bot to join as");
      if (apps !== undefined) usage("--apps goes with --type=app");
      const made = await tctl.withAdmin((admin) => admin.addToken({ ...request, bot }));
      if (format !== "text") return tctl.data(format, made);
      tctl.say(`The bot token: ${made.token}`, expiryLine(made.ttl), "It is single-use.");
    });

  tokens.command("ls").description("List tokens; their ids, since they are stored as hashes")
    .addOption(formatOption())
    .action(async ({ format }) => {
      const found = await tctl.withAdmin((admin) => admin.listTokens({}));
      if (format !== "text") return tctl.data(format, found);
      if (found.length === 0) return tctl.say("No tokens found");
      tctl.host.stdout.write(formatTable(
        ["Id", "For", "Method", "State", "Expires"],
        found.map(({ id, bot, roles = [], method, state, expires = "never" }) => [
          method === "token" ? id.slice(0, SHOWN_DIGITS) : id,
          bot ?? roles.map((role) => `(${role}s)`).join(" "),
          method,
          state,
          expires,
        ]),
      ));
    });

  tokens.command("rm").alias("del").description("Remove a token")
    .argument("<token>", "the token, its id, or the first digits of its id")
    .action(async (token) => {
      const { id, method } = await tctl.withAdmin((admin) => admin.removeToken({ token }));
      const shown = method === "token" ? id.slice(0, SHOWN_DIGITS) : id;
      tctl.say(`Token ${shown} has been deleted`);
    });
}

/** The original's names, and what a host that joins so is; a bot is none. */
const TYPES: Readonly<Record<string, "agent" | "relay" | undefined>> = {
  app: "agent",
  bot: undefined,
  node: "agent",
  proxy: "relay",
};

function tokenTypes(text: string): string[] {
  const types = text.toLowerCase().split(",").map((type) => type.trim());
  if (types.every((type) => Object.hasOwn(TYPES, type))) return types;
  throw new InvalidArgumentError("Expected bot, app, node or proxy.");
}

function hostRoles(types: readonly string[]): ("agent" | "relay")[] {
  return [...new Set(types.map((type) => TYPES[type]).filter((role) => role !== undefined))];
}
