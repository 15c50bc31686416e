/** The tables of a PostgreSQL database, and the way there from those that earlier versions made. */
import { closeSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Sql, TransactionSql } from "postgres";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { copyToSqlite } from "./_copy_to_sqlite.ts";
import { PostgresLink } from "./_postgres_link.ts";
import { stampOf } from "./_sqlite_schema.ts";
import { sync, syncDirectory } from "./_sync.ts";
import { nameOf, type PostgresAddress } from "./postgres_url.ts";

/** Of the tables; the counter tells which they have. */
export const POSTGRES_SCHEMA_VERSION = 2;

/** What a copy of everything, or an index over it, may take. */
export const COPY_MS = 3_600_000;

const ITEMS_BY_END =
  "CREATE INDEX items_by_end ON postern.items (expires) WHERE expires IS NOT NULL;";

/**
 * The one row of `counter` is the turnstile: each transaction that writes locks it first, so that
 * revisions are visible in their order. What is deleted leaves its revision behind, so that whoever
 * knows the state at one revision can be told what has changed since.
 */
const SCHEMA = `
  CREATE TABLE postern.counter (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    schema integer NOT NULL, revision bigint NOT NULL);
  INSERT INTO postern.counter (schema, revision) VALUES (${POSTGRES_SCHEMA_VERSION}, 0);
  CREATE TABLE postern.items (
    kind text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    value text NOT NULL, expires bigint, PRIMARY KEY (kind, name));
  CREATE INDEX items_by_revision ON postern.items (revision);
  ${ITEMS_BY_END}
  CREATE TABLE postern.tombstones (
    kind text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    PRIMARY KEY (kind, name));
  CREATE INDEX tombstones_by_revision ON postern.tombstones (revision);
  CREATE TABLE postern.records (
    last bigint PRIMARY KEY, count bigint NOT NULL, writer text NOT NULL, first bigint NOT NULL,
    packed bytea NOT NULL, UNIQUE (writer, first));
`;

/** What leads to each version from the one before it; all that are due are one transaction. */
const STEPS: Readonly<Record<number, string>> = { 2: ITEMS_BY_END };

export interface SettleSchemaOptions {
  readonly address: PostgresAddress;
  readonly patienceMs: number;
  /** Where what was there is kept before it is changed. */
  readonly directory: string;
  readonly now: Date;
  readonly log: Log;
}

/**
 * Makes the tables in an empty database, or leads those of an earlier version to this one; what was
 * there is kept in a file first. Throws `STORE_INVALID` for tables of a newer version.
 */
export async function settleSchema(options: SettleSchemaOptions): Promise<void> {
  const { address, patienceMs, log } = options;
  const link = new PostgresLink({ address, patienceMs, max: 2, callMs: COPY_MS });
  try {
    const migrated = await link.transaction((sql) => settle(sql, link, options));
    if (migrated) log.info("The store was led to a newer schema", migrated);
  } finally {
    await link.close();
  }
}

interface Migrated {
  readonly [field: string]: string | number;
  readonly from: number;
  readonly to: number;
  readonly backup: string;
}

async function settle(
  sql: TransactionSql,
  link: PostgresLink,
  { address, directory, now }: SettleSchemaOptions,
): Promise<Migrated | undefined> {
  const refuse = (found: string, hint: string) =>
    new IdentityError("STORE_INVALID", `Cannot use the database ${nameOf(address)}: ${found}`, {
      hint,
    });
  // Another one may be at it, for as long as that takes.
  await sql`SET LOCAL lock_timeout = 0`;
  await sql`SET LOCAL statement_timeout = 0`;
  await sql`SET LOCAL idle_in_transaction_session_timeout = 0`;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('postern schema', 0))`;
  const [encoding] = await sql`SHOW server_encoding`;
  if (encoding?.["server_encoding"] !== "UTF8") {
    throw refuse(
      `its encoding is ${encoding?.["server_encoding"]}`,
      "Make one with: createdb --encoding=UTF8 --template=template0",
    );
  }
  const [there] = await sql`SELECT to_regclass('postern.counter') IS NOT NULL AS there`;
  if (there?.["there"] !== true) {
    await sql`CREATE SCHEMA IF NOT EXISTS postern`;
    await sql.unsafe(SCHEMA);
    return undefined;
  }
  // Nobody writes any more from here on, so that the copy is what is changed.
  const [row] = await sql`SELECT schema FROM postern.counter FOR UPDATE`;
  const version = Number(row?.["schema"]);
  if (version > POSTGRES_SCHEMA_VERSION) throw refuse(...newer(version));
  if (version === POSTGRES_SCHEMA_VERSION) return undefined;
  const name = join(directory, `cluster.schema-${version}`);
  const backup = await link.read((reader) => keepAsFile(reader, name, now));
  for (let next = version + 1; next <= POSTGRES_SCHEMA_VERSION; next++) {
    await sql.unsafe(STEPS[next]!);
  }
  await sql`UPDATE postern.counter SET schema = ${POSTGRES_SCHEMA_VERSION}`;
  return { from: version, to: POSTGRES_SCHEMA_VERSION, backup };
}

/** What was found, and what to do: a process of a newer version has led the tables on. */
export function newer(version: number): [found: string, hint: string] {
  return [
    `its schema ${version} is newer than this program's ${POSTGRES_SCHEMA_VERSION}`,
    "Install the version of Postern that wrote it, or a newer one",
  ];
}

/** Copies what is there into a file whose name begins so, durably; its path. */
export async function keepAsFile(sql: Sql, name: string, now: Date): Promise<string> {
  const path = `${name}-${stampOf(now)}.sqlite`;
  closeSync(openSync(path, "wx", 0o600));
  await copyToSqlite(sql, path);
  sync(path);
  syncDirectory(dirname(path));
  return path;
}
