/** `app-agent backup` and `app-agent restore`. */
import { resolve } from "node:path";
import { visible } from "../visible.ts";
import type { TctlHost } from "./_tctl_host.ts";
import { dataDirectory, type TctlOptions, withAdmin } from "./_tctl_root.ts";

export type BackupOptions = TctlOptions & { readonly force?: true | undefined };

/** Copies the cluster's state to a file, by the running app-agent if there is one. */
export async function backupCommand(
  host: TctlHost,
  path: string,
  options: BackupOptions,
): Promise<void> {
  const request = { file: resolve(path), force: options.force === true };
  const { file, bytes } = await withAdmin(host, options, (admin) => admin.backup(request));
  host.stdout.write(visible(`The cluster is in ${file}, ${bytes} bytes; it holds its keys`) + "\n");
}

/** Puts a backup in the place of the cluster's state, while nothing runs. */
export async function restoreCommand(
  host: TctlHost,
  path: string,
  options: BackupOptions,
): Promise<void> {
  const { restorePostgres, restoreStore } = await import("../../identity/storage/mod.ts");
  const { readDatabase } = await import("./_database.ts");
  const { dataDir: directory, storage } = await dataDirectory(options, host);
  const database = await readDatabase(storage, host.clock);
  const force = options.force === true;
  const request = { file: resolve(path), directory, force, now: host.clock.now() };
  const { replaced, locks, voidTokens } = database === undefined
    ? restoreStore(request)
    : await restorePostgres({ ...request, database });
  const lines = [
    `The cluster ${
      database === undefined ? `in ${directory}` : "in PostgreSQL"
    } is the one of ${path} now`,
    ...(replaced === undefined ? [] : [`  the one before  ${replaced}`]),
    `  unused tokens   ${voidTokens}, which are void`,
    locks === undefined
      ? "  locks           those since the backup are lost: the database before is not readable"
      : `  locks           ${locks} of the one before hold on`,
  ];
  host.stdout.write(lines.map((line) => `${visible(line)}\n`).join(""));
}
