import { writeFile } from "node:fs/promises";
import { IdentityError } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { withIdentityOptions } from "./_tbot_options.ts";
import type { TbotRoot } from "./_tbot_options.ts";
import { refuseUnsupportedServices } from "./_tbot_unsupported.ts";

/** `tbot configure identity`: prints or writes the configuration file that options stand for. */
export function addConfigure(root: TbotRoot, host: TbotHost): void {
  const configure = root.command("configure").description("Make a configuration file from options");
  withIdentityOptions(configure.command("identity").aliases(["ssh", "id"]))
    .description("Make a configuration file with one identity output")
    .option("-o, --output <path>", "write to a new file in place of stdout")
    .action(async ({ output, ...options }) => {
      const { parseBotConfig } = await import("../../identity/bot/mod.ts");
      const { identityConfigText } = await import("./_tbot_config.ts");
      const text = identityConfigText({ ...options, ...root.opts() }, host.env);
      parseBotConfig(text, "(options)");
      if (output === undefined) host.stdout.write(text);
      else await writeConfig(output, text);
    });
  refuseUnsupportedServices(configure);
}

async function writeConfig(path: string, text: string): Promise<void> {
  try {
    // It may hold a token, so it is for its owner alone; nobody's file is overwritten.
    await writeFile(path, text, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("CONFIG_INVALID", `Cannot write the configuration ${path}: ${code}`, {
      hint: code === "EEXIST" ? "Remove the file, or choose another path" : "Choose another path",
      cause,
    });
  }
}
