import type { TbotHost } from "./_tbot_host.ts";
import { readBotFile } from "./_tbot_file.ts";
import type { TbotRoot } from "./_tbot_options.ts";
import { writeConfig } from "./tbot_configure.ts";

/** `tbot migrate`: writes a configuration of the first version anew, in the second. */
export function addMigrate(root: TbotRoot, host: TbotHost): void {
  root.command("migrate")
    .description("Rewrite a configuration of version 1 as one of version 2")
    .option("-o, --output <path>", "write to a new file, not to stdout")
    .action(async ({ output }) => {
      const { path, text } = await readBotFile(root.opts(), host);
      const { migrateBotConfig, parseBotConfig } = await import("../../identity/bot/mod.ts");
      const migrated = migrateBotConfig(text, path);
      for (const warning of migrated.warnings) host.stderr.write(`warning: ${warning}\n`);
      // What could not be started with is no migration.
      parseBotConfig(migrated.text, output ?? "(migrated)");
      if (output === undefined) host.stdout.write(migrated.text);
      else await writeConfig(output, migrated.text);
    });
  root.command("schema").description("Print the JSON Schema of tbot.yaml, for editors")
    .action(async () => {
      const { botConfigSchema } = await import("../../identity/bot/mod.ts");
      host.stdout.write(`${JSON.stringify(botConfigSchema(), null, 2)}\n`);
    });
}
