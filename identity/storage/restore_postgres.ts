/** `restoreStore()` for a database that authorities share: all of its state is replaced at once. */
import { randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TransactionSql } from "postgres";
import { IdentityError } from "../error.ts";
import { silentLog } from "../log.ts";
import { checkDatabaseFile } from "./_database_file.ts";
import { lockDirectory } from "./_directory_lock.ts";
import { PostgresLink } from "./_postgres_link.ts";
import { COPY_MS, keepAsFile, settleSchema } from "./_postgres_schema.ts";
import { nameOf, parsePostgresUrl } from "./postgres_url.ts";
import { type Former, type Restored, type RestoreOptions, type Row, settle } from "./restore.ts";

export interface RestorePostgresOptions extends RestoreOptions {
  /** The connection string. */
  readonly database: string;
}

const PATIENCE_MS = 5000;
/** Rows of one statement: their parameters are limited, and what it holds in memory. */
const AT_ONCE = 500;

export async function restorePostgres(options: RestorePostgresOptions): Promise<Restored> {
  const { file, directory, force, now } = options;
  checkDatabaseFile(file);
  const address = parsePostgresUrl(options.database);
  const name = nameOf(address);
  const lock = lockDirectory(directory);
  const part = join(directory, `restoring-${randomBytes(8).toString("hex")}.part`);
  const link = new PostgresLink({ address, patienceMs: PATIENCE_MS, max: 1, callMs: COPY_MS });
  try {
    await link.transaction((sql) => refuseInUse(sql, name));
    await settleSchema({ address, patienceMs: PATIENCE_MS, directory, now, log: silentLog });
    const there = await link.read(async (sql) => {
      const [row] = await sql`SELECT EXISTS (SELECT FROM postern.items) AS there`;
      return row?.["there"] === true;
    });
    if (there && !force) {
      throw new IdentityError("ALREADY_EXISTS", `There is a cluster in the database ${name}`, {
        hint: "Replace it with --force; its state is kept in a file of the data directory",
      });
    }
    const replaced = there
      ? await link.read((sql) => keepAsFile(sql, join(directory, "cluster.replaced"), now))
      : undefined;
    copyFileSync(file, part);
    chmodSync(part, 0o600);
    const counts = await link.transaction(async (sql, begun) => {
      await sql`SELECT FROM postern.counter FOR UPDATE`;
      // One may have started while the copy was made.
      await refuseInUse(sql, name);
      begun();
      const counts = settle(part, await readFormer(sql), there, now);
      await load(sql, part);
      return counts;
    });
    return { replaced, ...counts };
  } finally {
    await link.close();
    rmSync(part, { force: true });
    lock.release();
  }
}

/** Authorities hold the keys of before in memory, and would go on signing with them. */
async function refuseInUse(sql: TransactionSql, name: string): Promise<void> {
  const [row] = await sql`
    SELECT count(*) AS others FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'postern'
    AND pid <> pg_backend_pid()`;
  if (Number(row?.["others"]) === 0) return;
  throw new IdentityError("DATA_DIR_IN_USE", `The database ${name} is in use by an app-agent`, {
    hint: "Stop each app-agent and tctl that uses it, restore, and start them again",
  });
}

async function readFormer(sql: TransactionSql): Promise<Former> {
  const rows = await sql`
    SELECT kind, name, revision, value, expires FROM postern.items WHERE kind = 'lock'`;
  const [counter] = await sql`SELECT revision FROM postern.counter`;
  const locks = rows.map((row): Row => ({
    kind: "lock",
    name: String(row["name"]),
    revision: Number(row["revision"]),
    value: String(row["value"]),
    expires: row["expires"] === null ? null : Number(row["expires"]),
  }));
  return { locks, revision: Number(counter?.["revision"] ?? 0) };
}

async function load(sql: TransactionSql, part: string): Promise<void> {
  const source = new DatabaseSync(part, { readOnly: true });
  try {
    await sql`TRUNCATE postern.items, postern.tombstones, postern.records`;
    for (const table of ["items", "records"] as const) {
      let rows: Record<string, unknown>[] = [];
      const flush = async () => {
        if (rows.length > 0) await sql`INSERT INTO ${sql(`postern.${table}`)} ${sql(rows)}`;
        rows = [];
      };
      for (const row of source.prepare(`SELECT * FROM ${table}`).iterate()) {
        rows.push(row);
        if (rows.length === AT_ONCE) await flush();
      }
      await flush();
    }
    const { revision } = source.prepare("SELECT revision FROM counter").get() as {
      revision: number;
    };
    await sql`UPDATE postern.counter SET revision = ${revision}`;
  } finally {
    source.close();
  }
}
