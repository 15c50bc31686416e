import { rename, stat, writeFile } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { IdentityError } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { readBotFile } from "./_tbot_file.ts";
import type { TbotRoot } from "./_tbot_options.ts";
import { systemdUnit, writtenDirectories } from "./_tbot_unit.ts";

/** `tbot install systemd`: prints the unit that runs tbot, or writes it where systemd looks. */
export function addInstall(root: TbotRoot, host: TbotHost): void {
  root.command("install").description("Install tbot as a service of this machine")
    .command("systemd")
    .description("Print a systemd unit for tbot, or write it")
    .option("--write", "write the unit, and do not print it")
    .option("--force", "replace a unit that is there already")
    .option("--name <name>", "name of the unit, without .service", unitName, "tbot")
    .option("--user <user>", "user that tbot runs as", account, "teleport")
    .option("--group <group>", "group that tbot runs as", account, "teleport")
    .option(
      "--systemd-directory <path>",
      "where units are written",
      absolute,
      "/etc/systemd/system",
    )
    .option("--pid-file <path>", "accepted for old command lines; the unit needs none", absolute)
    .action(async ({ force, group, name, systemdDirectory, user, write }) => {
      const { path, text } = await readBotFile(root.opts(), host);
      const { parseBotConfig } = await import("../../identity/bot/mod.ts");
      // A unit whose configuration cannot be used would only be started again and again.
      const { config } = parseBotConfig(text, path);
      const directories = writtenDirectories(config);
      const relative = directories.find((it) => !isAbsolute(it));
      if (relative !== undefined) {
        throw new IdentityError(
          "CONFIG_INVALID",
          `Cannot run tbot as a service: the path ${relative} is not absolute`,
          { hint: `A service is started in /: write the whole path into ${path}` },
        );
      }
      const [program = "tbot"] = host.selfCommand;
      const unit = systemdUnit({ config, path: resolve(path), program, user, group });
      if (!write) return void host.stdout.write(unit);
      const file = join(systemdDirectory, `${name}.service`);
      await writeUnit(file, unit, force === true);
      host.stdout.write(
        `Wrote ${file}. These directories must be there, and be ${user}'s:\n\n` +
          directories.map((it) => `${it}\n`).join("") +
          `\nThen start it:\n\nsudo systemctl daemon-reload\nsudo systemctl enable --now ${name}\n`,
      );
    });
}

async function writeUnit(file: string, unit: string, force: boolean): Promise<void> {
  if (!force && await stat(file).then(() => true, () => false)) {
    throw new IdentityError("CONFIG_INVALID", `Cannot write ${file}: there is a unit already`, {
      hint: "Replace it with --force, or give this one another --name",
    });
  }
  try {
    // Whole or not at all: systemd may read it at any time.
    await writeFile(`${file}.new`, unit, { mode: 0o644 });
    await rename(`${file}.new`, file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("CONFIG_INVALID", `Cannot write ${file}: ${code}`, {
      hint: "Run it as root, or name a directory with --systemd-directory",
      cause,
    });
  }
}

function unitName(value: string): string {
  if (/^[A-Za-z0-9:_.@-]{1,200}$/.test(value)) return value;
  throw new InvalidArgumentError("Expected the name of a unit, such as tbot.");
}

function account(value: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_-]{0,30}\$?$/.test(value)) return value;
  throw new InvalidArgumentError("Expected the name of a user or group.");
}

/** What stands in a unit must be absolute, and on one line. */
function absolute(value: string): string {
  if (/^\/[^\n\0]*$/.test(value)) return value;
  throw new InvalidArgumentError("Expected an absolute path.");
}
