import { IdentityError } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { readBotFile } from "./_tbot_file.ts";
import type { TbotRoot } from "./_tbot_options.ts";

/** `tbot check -c FILE`: judges a configuration without a network, and starts nothing. */
export function addCheck(root: TbotRoot, host: TbotHost): void {
  root.command("check")
    .description("Check a configuration file; every problem is told with its place")
    .action(async () => {
      const { path, text } = await readBotFile(root.opts(), host);
      const { parseBotConfig } = await import("../../identity/bot/mod.ts");
      // The file alone: what an option or the environment would mend here is missing elsewhere.
      const { warnings, config } = judged(() => parseBotConfig(text, path));
      for (const warning of warnings) host.stderr.write(`warning: ${warning}\n`);
      const count = config.services.length;
      host.stdout.write(`${path}: ok, ${count} ${count === 1 ? "service" : "services"}\n`);
    });
}

/** A file that cannot be used is what a check is there to find, and not a misuse of the check. */
function judged<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof IdentityError) || cause.code !== "CONFIG_INVALID") throw cause;
    throw new IdentityError("CHECK_FAILED", cause.message, { cause });
  }
}
