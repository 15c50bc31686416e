import { DatabaseSync } from "node:sqlite";
import { IdentityError } from "../error.ts";
import { schemaOf, whyNot } from "./_sqlite_schema.ts";

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
      version = schemaOf(database);
    } finally {
      database.close();
    }
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw refuse(found, "Name a file that app-agent backup has written", cause);
  }
  if (problem !== "ok") throw refuse(`it is damaged: ${problem}`, "Use another backup");
  if (version === 0) {
    throw refuse(
      "it has no state of a cluster in it",
      "Name a file that app-agent backup has written",
    );
  }
  const refused = whyNot(version);
  if (refused) throw refuse(refused.found, refused.hint);
}
