/** The tables of a SQLite file, and the way there from those that earlier versions made. */
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { sync, syncDirectory } from "./_sync.ts";

/** Of the tables; the file tells which it has. */
export const SCHEMA_VERSION = 3;
/** The oldest that a release has written. */
const OLDEST = 2;

const ITEMS_BY_END = "CREATE INDEX items_by_end ON items (expires) WHERE expires IS NOT NULL;";

/** Makes the tables in an empty file. */
export const SCHEMA = `
  CREATE TABLE items (
    kind TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL,
    value TEXT NOT NULL, expires INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID;
  ${ITEMS_BY_END}
  CREATE TABLE counter (revision INTEGER NOT NULL);
  INSERT INTO counter VALUES (0);
  CREATE TABLE records (
    last INTEGER PRIMARY KEY, count INTEGER NOT NULL, writer TEXT NOT NULL, first INTEGER NOT NULL,
    packed BLOB NOT NULL, UNIQUE (writer, first));
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What leads to each version from the one before it; each step is one transaction. */
const STEPS: Readonly<Record<number, string>> = { 3: ITEMS_BY_END };

export function schemaOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

/** Why this program cannot use a schema and what to do then; `undefined` if it can. */
export function whyNot(
  version: number,
): { readonly found: string; readonly hint: string } | undefined {
  if (version > SCHEMA_VERSION) {
    return {
      found: `its schema ${version} is newer than this program's ${SCHEMA_VERSION}`,
      hint: "Install the version of Postern that wrote it, or a newer one",
    };
  }
  if (version >= OLDEST) return undefined;
  return {
    found: `its schema ${version} is older than any that a release has written`,
    hint: "Begin with a new data directory",
  };
}

/** Leads an open database, whose schema this program can use, to the newest one. */
export function migrate(database: DatabaseSync): void {
  for (let version = schemaOf(database); version < SCHEMA_VERSION; version++) {
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(STEPS[version + 1]!);
      database.exec(`PRAGMA user_version = ${version + 1}`);
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }
}

/**
 * Makes the tables in an open file that is empty, or leads those of an earlier version to this one;
 * what was there is kept beside it first. Throws `STORE_INVALID` for a schema that it does not know.
 */
export function settleFile(
  database: DatabaseSync,
  { file, now, log }: { readonly file: string; readonly now: Date; readonly log: Log },
): void {
  const version = schemaOf(database);
  const refused = version === 0 ? undefined : whyNot(version);
  if (refused) {
    throw new IdentityError("STORE_INVALID", `Cannot open ${file}: ${refused.found}`, {
      hint: refused.hint,
    });
  }
  // Takes the exclusive lock even when there is nothing to create.
  database.exec("BEGIN IMMEDIATE");
  if (version === 0) database.exec(SCHEMA);
  database.exec("COMMIT");
  if (version === 0 || version === SCHEMA_VERSION) return;
  const backup = `${file}.schema-${version}-${stampOf(now)}`;
  closeSync(openSync(backup, "wx", 0o600));
  database.prepare("VACUUM INTO ?").run(backup);
  sync(backup);
  syncDirectory(dirname(backup));
  migrate(database);
  log.info("The store was led to a newer schema", { from: version, to: SCHEMA_VERSION, backup });
}

/** For names of files that nobody else has. */
export function stampOf(now: Date): string {
  return `${now.toISOString().replaceAll(":", "")}-${randomBytes(4).toString("hex")}`;
}
