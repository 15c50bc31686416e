import { resolve } from "node:path";
import { IdentityError } from "../../identity/mod.ts";
import type { DestinationSpec } from "../../identity/destination/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { readBotFile } from "./_tbot_file.ts";
import type { GlobalOptions, TbotRoot } from "./_tbot_options.ts";

type Directory = Extract<DestinationSpec, { type: "directory" }>;

interface InitOptions {
  readonly destinationDir?: string | undefined;
  readonly initDir?: string | undefined;
  readonly owner?: string | undefined;
  readonly botUser?: string | undefined;
  readonly readerUser?: string | undefined;
  readonly clean?: true | undefined;
}

/** `tbot init`: makes directories ready for a bot that runs as another user. */
export function addInit(root: TbotRoot, host: TbotHost): void {
  root.command("init")
    .description("Prepare the directories of outputs for a bot that runs as another user")
    .option("--destination-dir <path>", "the directory; otherwise those of the configuration")
    .option("--init-dir <path>", "only this directory of the configuration")
    .option("--owner <user[:group]>", "whom the directory shall belong to; the bot's user, usually")
    .option("--bot-user <user>", "the user that tbot runs as; it becomes the owner")
    .option("--reader-user <user>", "a user who may read the outputs")
    .option("--clean", "remove files that tbot does not write")
    .action(async (options) => {
      const { OUTPUT_FILES } = await import("../../identity/bot/mod.ts");
      const { initDirectory } = await import("../../identity/destination/mod.ts");
      const owner = ownerOf(options);
      const log = host.openLog({ debug: root.opts().debug === true });
      for (const spec of await directories(options, root.opts(), host)) {
        const readers = options.readerUser === undefined
          ? spec.readers
          : [...spec.readers, { user: options.readerUser }];
        const done = await initDirectory({
          spec: { ...spec, readers },
          owner,
          keepOnly: options.clean ? OUTPUT_FILES : undefined,
          log,
        });
        const lines = done.length > 0 ? done : [`${spec.path} was ready`];
        host.stdout.write(lines.map((line) => `${line}\n`).join(""));
      }
    });
}

async function directories(
  { destinationDir, initDir }: InitOptions,
  globals: GlobalOptions,
  host: TbotHost,
): Promise<Directory[]> {
  const { directorySpec } = await import("../../identity/destination/mod.ts");
  if (destinationDir !== undefined) return [directorySpec(destinationDir)];
  const { path, text } = await readBotFile(globals, host);
  const { parseBotConfig } = await import("../../identity/bot/mod.ts");
  const found = parseBotConfig(text, path).config.services.flatMap((service) =>
    "destination" in service && service.destination.type === "directory"
      ? [service.destination]
      : []
  ).filter((spec) => initDir === undefined || resolve(spec.path) === resolve(initDir));
  if (found.length > 0) return found;
  throw new IdentityError(
    "CONFIG_INVALID",
    initDir === undefined
      ? `Cannot prepare anything: no service of ${path} writes to a directory`
      : `Cannot prepare ${initDir}: no service of ${path} writes to it`,
    { hint: "Name a directory with --destination-dir" },
  );
}

function ownerOf(
  { botUser, owner }: InitOptions,
): { readonly user: string; readonly group?: string } | undefined {
  const given = owner ?? botUser;
  if (given === undefined) return undefined;
  const match = /^([A-Za-z0-9_][A-Za-z0-9._-]*\$?)(?::([A-Za-z0-9_][A-Za-z0-9._-]*\$?))?$/.exec(
    given,
  );
  const [, user, group] = match ?? [];
  if (user === undefined) {
    throw new IdentityError("CONFIG_INVALID", `Cannot give files to "${given}": this is no user`, {
      hint: "Write user or user:group",
    });
  }
  return group === undefined ? { user } : { user, group };
}
