import { Option } from "@commander-js/extra-typings";
import { formatTable } from "../table.ts";
import { expiryLine } from "./_bot_instructions.ts";
import { formatOption, seconds } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** As many digits of an id as tell tokens apart, and as `rm` takes. */
const SHOWN_DIGITS = 16;

/** `tctl tokens …`: secrets that a machine joins with, once. */
export function addTokens(root: TctlRoot, tctl: Tctl): void {
  const tokens = root.command("tokens").alias("token").description("One-time tokens to join with");
  tokens.command("add").description("Make a token for one more machine of a bot")
    .addOption(new Option("--type <type>", "who joins with it").choices(["bot"] as const))
    .requiredOption("--bot <name>", "the bot to join as")
    .option("--ttl <duration>", "how long it is good for (30m)", seconds)
    .option("--value <token>", "the token itself; a random one without it")
    .addOption(formatOption())
    .action(async ({ format, type: _, ...request }) => {
      const made = await tctl.withAdmin((admin) => admin.addToken(request));
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
        ["Id", "Bot", "Method", "State", "Expires"],
        found.map(({ id, bot, method, state, expires = "never" }) => [
          method === "token" ? id.slice(0, SHOWN_DIGITS) : id,
          bot,
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
