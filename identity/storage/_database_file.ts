import { DatabaseSync } from "node:sqlite";
import { IdentityError } from "../error.ts";
import { SCHEMA_VERSION } from "./sqlite.ts";

/** Throws `STORE_INVALID` unless a file is a whole database that this program can use. */
export function checkDatabaseFile(file: string): void {
  const refuse = (found: string, hint: string, cause?: unknown) =>
    new IdentityError("STORE_INVALID", `Cannot use ${file}: ${found}`, { hint, cause });
  let version: number;
  let problem: unknown;
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      problem = Object.values(database.prepare("PRAGMA integrity_check").get() ?? {})[0];
      version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
    } finally {
      database.close();
    }
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw refuse(found, "Name a file that app-agent backup has written", cause);
  }
  if (problem !== "ok") throw refuse(`it is damaged: ${problem}`, "Use another backup");
  if (version === SCHEMA_VERSION) return;
  throw version > SCHEMA_VERSION
    ? refuse(
      `its schema ${version} is newer than this program's ${SCHEMA_VERSION}`,
      "Install the version of Postern that wrote it, or a newer one",
    )
    : refuse(`it has no state of a cluster in it`, "Name a file that app-agent backup has written");
}
