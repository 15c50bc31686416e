import { writeFile } from "node:fs/promises";
import { Option } from "@commander-js/extra-typings";
import { IdentityError } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { TbotRoot } from "./_tbot_options.ts";
import { addServices } from "./_tbot_services.ts";
import type { DescribedService } from "./_tbot_services.ts";

/** `tbot configure TYPE`: prints or writes the configuration file that options stand for. */
export function addConfigure(root: TbotRoot, host: TbotHost): void {
  addServices(
    root.command("configure").description("Make a configuration file from options"),
    {
      description: (what) => `Make a configuration file with ${what}`,
      more: (command) =>
        command.addOption(new Option("-o, --output <path>", "write to a new file, not to stdout")),
      async act(service) {
        const { output } = service.options as DescribedService["options"] & { output?: string };
        const { parseBotConfig } = await import("../../identity/bot/mod.ts");
        const { configText } = await import("./_tbot_config.ts");
        const text = configText(service, root.opts(), host.env);
        parseBotConfig(text, "(options)");
        if (output === undefined) host.stdout.write(text);
        else await writeConfig(output, text);
      },
    },
  );
}

/** Writes a new configuration file; throws `CONFIG_INVALID`, also when there is one already. */
export async function writeConfig(path: string, text: string): Promise<void> {
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
