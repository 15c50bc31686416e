import type { TransactionSql } from "postgres";
import { IdentityError } from "../error.ts";

/** Of the tables; the counter tells which they have. */
export const POSTGRES_SCHEMA_VERSION = 1;

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
  CREATE TABLE postern.tombstones (
    kind text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    PRIMARY KEY (kind, name));
  CREATE INDEX tombstones_by_revision ON postern.tombstones (revision);
  CREATE TABLE postern.records (
    last bigint PRIMARY KEY, count bigint NOT NULL, writer text NOT NULL, first bigint NOT NULL,
    packed bytea NOT NULL, UNIQUE (writer, first));
`;

/** Makes the tables in an empty database; throws `STORE_INVALID` if it has those of a newer version. */
export async function settleSchema(sql: TransactionSql, database: string): Promise<void> {
  const refuse = (found: string, hint: string) =>
    new IdentityError("STORE_INVALID", `Cannot use the database ${database}: ${found}`, { hint });
  // Two authorities may start on an empty database at once.
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
    return;
  }
  const [row] = await sql`SELECT schema FROM postern.counter`;
  const version = Number(row?.["schema"]);
  if (version > POSTGRES_SCHEMA_VERSION) {
    throw refuse(
      `its schema ${version} is newer than this program's ${POSTGRES_SCHEMA_VERSION}`,
      "Install the version of Postern that wrote it, or a newer one",
    );
  }
}
