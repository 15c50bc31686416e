import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IdentityError } from "../error.ts";

/**
 * Makes a data directory belong to this process until it ends, however it ends, or lets go: its
 * spool and socket have one owner, also where the state itself is in a shared database.
 */
export function lockDirectory(directory: string): { release(): void } {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = join(directory, "lock.sqlite");
    database = new DatabaseSync(file);
    chmodSync(file, 0o600);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
    const held = database;
    return { release: () => held.close() };
  } catch (cause) {
    database?.close();
    throw explainOpening(cause, directory);
  }
}

/** The failure to open a data directory, as one of ours. */
export function explainOpening(cause: unknown, directory: string): unknown {
  if (!(cause instanceof Error) || cause instanceof IdentityError) return cause;
  const locked = /locked|busy/i.test(cause.message);
  return new IdentityError(
    locked ? "DATA_DIR_IN_USE" : "STORE_INVALID",
    locked
      ? `Cannot open the data directory ${directory}: another process is using it`
      : `Cannot open the data directory ${directory}: ${cause.message}`,
    {
      hint: locked
        ? "Stop the other app-agent, or give this one a data directory of its own"
        : "Check the directory's owner and free space, or restore it from a backup",
      cause,
    },
  );
}
