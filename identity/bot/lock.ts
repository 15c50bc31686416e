import { chmodSync } from "node:fs";
import { join } from "node:path";
import { IdentityError } from "../error.ts";

/**
 * Holds a bot's storage for this process alone. The lock is the operating system's, taken through
 * SQLite since Node.js offers none: it ends with the process, however that ends, so no stale one is
 * ever left behind. Two bots on one identity would raise each other's generation, and be locked.
 */
export async function lockStorage(directory: string): Promise<{ release(): void }> {
  const { DatabaseSync } = await import("node:sqlite");
  const file = join(directory, "lock");
  const database = new DatabaseSync(file);
  try {
    chmodSync(file, 0o600);
    database.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE");
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const locked = cause instanceof Error && /locked|busy/i.test(cause.message);
    throw new IdentityError(
      locked ? "DATA_DIR_IN_USE" : "DESTINATION_UNWRITABLE",
      locked
        ? `Cannot use the storage ${directory}: another tbot is using it`
        : `Cannot lock the storage ${directory}`,
      {
        hint: locked
          ? "Stop the other tbot, or give this one a storage directory of its own"
          : `Remove ${file} if it is no lock of tbot's`,
        cause,
      },
    );
  }
  return { release: () => database.close() };
}
