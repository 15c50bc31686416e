import { readFile } from "node:fs/promises";
import { IdentityError } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { GlobalOptions } from "./_tbot_options.ts";

/** The configuration file that the options or the environment name, and where it is. */
export async function readBotFile(
  { config }: GlobalOptions,
  { env }: Pick<TbotHost, "env">,
): Promise<{ readonly path: string; readonly text: string }> {
  const path = config ?? env["TBOT_CONFIG_PATH"];
  if (path === undefined) {
    throw new IdentityError("CONFIG_INVALID", "Cannot go on: no configuration is given", {
      hint: "Name a file with -c, or use `tbot start identity` with options",
    });
  }
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("CONFIG_INVALID", `Cannot read the configuration ${path}: ${code}`, {
      hint: "Check the path; `tbot configure identity` prints a configuration to start from",
      cause,
    });
  }
}
