/**
 * The store for several authorities: a PostgreSQL database. Transactions of all of them run one
 * after the other, and each hears of the commits of the others in their order, also after the
 * database was away. While it is, calls fail with `UNAVAILABLE`; nothing has to be restarted.
 */
import { randomUUID } from "node:crypto";
import type { TransactionSql } from "postgres";
import { IdentityError } from "../error.ts";
import { type Log, silentLog } from "../log.ts";
import { copyToSqlite } from "./_copy_to_sqlite.ts";
import { Deliveries, type News } from "./_deliveries.ts";
import { CHANNEL, Follower } from "./_postgres_follower.ts";
import { PostgresLink } from "./_postgres_link.ts";
import { COPY_MS, newer, POSTGRES_SCHEMA_VERSION, settleSchema } from "./_postgres_schema.ts";
import { nameOf, parsePostgresUrl, type PostgresAddress } from "./postgres_url.ts";
import { type PieceRow, RecordReader } from "./_record_reader.ts";
import { type ItemRow, toItem, toText } from "./_rows.ts";
import { isSealed, SEALED_KINDS, Sealer, type SealingKeys } from "./seal.ts";
import type {
  Change,
  Item,
  ItemKind,
  Store,
  StoredEvent,
  StoredRecord,
  Transaction,
} from "./store.ts";

export interface PostgresOptions {
  /** The connection string; it holds the password. */
  readonly url: string;
  /** Of this process alone: what a migration replaces is kept there. */
  readonly directory: string;
  readonly now: () => Date;
  /** What private keys are encrypted with; they lie open in the database without it. */
  readonly sealing?: SealingKeys | undefined;
  /** How long a call waits for a database that is away. */
  readonly patienceMs?: number;
  readonly log?: Log | undefined;
}

const PATIENCE_MS = 5000;

/** Opens the store in a database, and makes its tables if they are not there. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { directory, log = silentLog, now, patienceMs = PATIENCE_MS } = options;
  const address = parsePostgresUrl(options.url);
  await settleSchema({ address, patienceMs, directory, now: now(), log });
  const sealer = new Sealer(options.sealing);
  const writer = new PostgresLink({ address, patienceMs, max: 1 });
  const reader = new PostgresLink({ address, patienceMs, max: address.readers });
  try {
    const revision = await writer.transaction(async (sql) => {
      const revision = await enter(sql, address);
      await settleSeals(sql, sealer);
      return revision;
    });
    const store = new PostgresStore({ writer, reader, sealer, now, revision, address });
    return store.follow((self, catchUp) => new Follower({ address, patienceMs, self, catchUp }));
  } catch (error) {
    await Promise.all([writer.close(), reader.close()]);
    throw error;
  }
}

/** Takes this transaction's turn among those of all authorities; the revision it begins at. */
async function enter(sql: TransactionSql, address: PostgresAddress): Promise<number> {
  const [row] = await sql`SELECT revision, schema FROM postern.counter FOR UPDATE`;
  const schema = Number(row!["schema"]);
  // Its tables may mean something else by now.
  if (schema > POSTGRES_SCHEMA_VERSION) {
    const [found, hint] = newer(schema);
    const message = `Cannot write to the database ${nameOf(address)} any more: ${found}`;
    throw new IdentityError("STORE_INVALID", message, { hint });
  }
  return Number(row!["revision"]);
}

/** As `settleSeals()` for SQLite does; the database itself clears away what was there before. */
async function settleSeals(sql: TransactionSql, sealer: Sealer): Promise<void> {
  const rows = await sql<ItemRow[]>`
    SELECT kind, name, value FROM postern.items WHERE kind IN ${sql([...SEALED_KINDS])}`;
  for (const { kind, name, value } of rows) {
    const place = `${kind}/${name}`;
    const text = isSealed(value) ? sealer.open(place, value) : value;
    if (sealer.isCurrent(value)) continue;
    await sql`UPDATE postern.items SET value = ${sealer.seal(place, text)}
              WHERE kind = ${kind} AND name = ${name}`;
  }
}

interface Parts {
  readonly writer: PostgresLink;
  readonly reader: PostgresLink;
  readonly sealer: Sealer;
  readonly now: () => Date;
  readonly revision: number;
  readonly address: PostgresAddress;
}

class PostgresStore implements Store {
  readonly #writer: PostgresLink;
  readonly #reader: PostgresLink;
  readonly #sealer: Sealer;
  readonly #now: () => Date;
  readonly #address: PostgresAddress;
  readonly #self = randomUUID();
  readonly #deliveries: Deliveries;
  readonly #records: RecordReader;
  #follower: Follower | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ writer, reader, sealer, now, revision, address }: Parts) {
    this.#address = address;
    this.#writer = writer;
    this.#reader = reader;
    this.#sealer = sealer;
    this.#now = now;
    this.#deliveries = new Deliveries(revision, (since) => this.#newsSince(since));
    this.#records = new RecordReader({
      before: (place) =>
        reader.read(async (sql) =>
          (await sql<PieceRow[]>`SELECT last, count, packed FROM postern.records
            WHERE last < ${place} ORDER BY last DESC LIMIT 1`)[0]
        ),
      after: (place) =>
        reader.read(async (sql) =>
          (await sql<PieceRow[]>`SELECT last, count, packed FROM postern.records
            WHERE last > ${place} ORDER BY last LIMIT 1`)[0]
        ),
    });
  }

  follow(begin: (self: string, catchUp: () => Promise<void>) => Follower): this {
    this.#follower = begin(this.#self, () => this.#deliveries.catchUp());
    return this;
  }

  get<T>(kind: ItemKind, name: string): Promise<Item<T> | undefined> {
    return this.#deliveries.afterwards(this.#reader.read(async (sql) => {
      const [row] = await sql<ItemRow[]>`
        SELECT * FROM postern.items WHERE kind = ${kind} AND name = ${name}`;
      return this.#alive<T>(row);
    }));
  }

  list<T>(kind: ItemKind): Promise<Item<T>[]> {
    return this.#deliveries.afterwards(this.#reader.read(async (sql) => {
      const rows = await sql<ItemRow[]>`
        SELECT * FROM postern.items WHERE kind = ${kind}
        AND (expires IS NULL OR expires > ${this.#now().getTime()}) ORDER BY name`;
      return rows.map((row) => toItem<T>(row, this.#sealer));
    }));
  }

  /**
   * Each is durable, also if it need not be: others see it at once and go on from there, so that it
   * must not be gone when the database comes back from a crash.
   */
  update<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      let before = 0;
      let written = new Written(0);
      const result = await this.#writer.transaction(async (sql, begun) => {
        before = await enter(sql, this.#address);
        if (before < this.#deliveries.revision) throw this.#goneBack();
        written = new Written(before);
        begun();
        const result = await work(this.#transaction(sql, written));
        if (written.revision > before) {
          await sql`WITH counted AS (UPDATE postern.counter SET revision = ${written.revision})
                    SELECT pg_notify(${CHANNEL}, ${this.#self})`;
        }
        return result;
      });
      if (written.revision > before) {
        const changes = [...written.rows.values()].map(({ kind, name, row }): Change => ({
          kind,
          name,
          item: this.#alive(row),
          revision: written.revision,
        }));
        await this.#deliveries.commit(before, { changes, revision: written.revision });
      }
      return result;
    });
  }

  subscribe(listener: (changes: readonly Change[]) => void): () => void {
    return this.#deliveries.subscribe(listener);
  }

  catchUp(): Promise<void> {
    return this.#deliveries.catchUp();
  }

  /** As far as this process has heard. */
  revision(): Promise<number> {
    return Promise.resolve(this.#deliveries.revision);
  }

  lastNumber(writer: string): Promise<number> {
    return this.#reader.read(async (sql) => {
      const [row] = await sql`SELECT first + count - 1 AS number FROM postern.records
                              WHERE writer = ${writer} ORDER BY first DESC LIMIT 1`;
      return Number(row?.["number"] ?? 0);
    });
  }

  latestRecords(limit: number): Promise<StoredRecord[]> {
    return this.#records.latest(limit);
  }

  recordsAfter(seq: number, limit: number): Promise<StoredRecord[]> {
    return this.#records.after(seq, limit);
  }

  latestEvents(limit: number): Promise<StoredEvent[]> {
    return this.#records.eventsWith([], limit);
  }

  eventsWith(texts: readonly string[], limit: number): Promise<StoredEvent[]> {
    return this.#records.eventsWith(texts, limit);
  }

  async copyTo(file: string): Promise<void> {
    const address = this.#address;
    const link = new PostgresLink({ address, patienceMs: PATIENCE_MS, max: 1, callMs: COPY_MS });
    try {
      await link.read((sql) => copyToSqlite(sql, file));
    } finally {
      await link.close();
    }
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#follower?.close();
      await Promise.all([this.#writer.close(), this.#reader.close()]);
    });
  }

  /** One transaction of this process at a time: they would wait for each other in the database. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  #transaction(sql: TransactionSql, written: Written): Transaction {
    return {
      get: async <T>(kind: ItemKind, name: string) => {
        const [row] = await sql<ItemRow[]>`
          SELECT * FROM postern.items WHERE kind = ${kind} AND name = ${name}`;
        return this.#alive<T>(row);
      },
      list: async <T>(kind: ItemKind) => {
        const rows = await sql<ItemRow[]>`
          SELECT * FROM postern.items WHERE kind = ${kind}
          AND (expires IS NULL OR expires > ${this.#now().getTime()}) ORDER BY name`;
        return rows.map((row) => toItem<T>(row, this.#sealer));
      },
      put: async (kind, name, value, options) => {
        const stored = toText({ kind, name }, value, this.#sealer);
        const expires = options?.expires?.getTime() ?? null;
        const revision = written.next();
        await sql`
          WITH back AS (DELETE FROM postern.tombstones WHERE kind = ${kind} AND name = ${name})
          INSERT INTO postern.items (kind, name, revision, value, expires)
          VALUES (${kind}, ${name}, ${revision}, ${stored}, ${expires})
          ON CONFLICT (kind, name) DO UPDATE SET
          revision = excluded.revision, value = excluded.value, expires = excluded.expires`;
        written.note({ kind, name, row: { kind, name, revision, value: stored, expires } });
      },
      delete: async (kind, name) => {
        const revision = written.revision + 1;
        const { count } = await sql`
          WITH gone AS (
            DELETE FROM postern.items WHERE kind = ${kind} AND name = ${name} RETURNING kind, name)
          INSERT INTO postern.tombstones (kind, name, revision)
          SELECT kind, name, ${revision}::bigint FROM gone`;
        if (count === 0) return false;
        written.next();
        written.note({ kind, name, row: undefined });
        return true;
      },
      forgetExpired: async (before, limit) => {
        const { count } = await sql`
          DELETE FROM postern.items WHERE (kind, name) IN (
            SELECT kind, name FROM postern.items
            WHERE expires <= ${before.getTime()} LIMIT ${limit})`;
        return count;
      },
      keepRecords: async ({ writer, first, count, bytes }) => {
        await sql`
          INSERT INTO postern.records (last, count, writer, first, packed)
          VALUES ((SELECT COALESCE(MAX(last), 0) FROM postern.records) + ${count}::bigint,
                  ${count}, ${writer}, ${first}, ${bytes})
          ON CONFLICT (writer, first) DO NOTHING`;
      },
    };
  }

  async #newsSince(since: number): Promise<News> {
    return await this.#reader.read(async (sql) => {
      const [counter] = await sql`SELECT revision FROM postern.counter`;
      const newest = Number(counter!["revision"]);
      if (newest === since) return { changes: [], revision: since };
      const rows = await sql<(Omit<ItemRow, "value"> & { readonly value: string | null })[]>`
        SELECT kind, name, revision, value, expires FROM postern.items WHERE revision > ${since}
        UNION ALL
        SELECT kind, name, revision, NULL, NULL FROM postern.tombstones WHERE revision > ${since}
        ORDER BY revision`;
      const changes = rows.flatMap(({ value, ...row }) => this.#toChange({ ...row, value }));
      return {
        changes,
        revision: Math.max(newest, ...rows.slice(-1).map((row) => Number(row.revision))),
      };
    });
  }

  #toChange(row: Omit<ItemRow, "value"> & { readonly value: string | null }): Change[] {
    const { kind, name, value } = row;
    try {
      const item = value === null ? undefined : this.#alive({ ...row, value });
      return [{ kind, name, item, revision: Number(row.revision) }];
    } catch (error) {
      // Sealed with a key that this process has not: whoever reads it is told so. It must not keep
      // the news of other items back.
      if (error instanceof IdentityError) return [];
      throw error;
    }
  }

  /** INVARIANT (closed): on top of a state that is older than what has been told, nothing is written. */
  #goneBack(): IdentityError {
    return new IdentityError(
      "STORE_INVALID",
      `The database ${nameOf(this.#address)} has gone back to an earlier state while app-agent ran`,
      { hint: "Restart each app-agent; stop them all before a database is put back" },
    );
  }

  #alive<T>(row: ItemRow | undefined): Item<T> | undefined {
    if (row === undefined) return undefined;
    const { expires } = row;
    if (expires !== null && Number(expires) <= this.#now().getTime()) return undefined;
    return toItem<T>(row, this.#sealer);
  }
}

interface WrittenRow {
  readonly kind: ItemKind;
  readonly name: string;
  /** Undefined: deleted. */
  readonly row: ItemRow | undefined;
}

/** What a transaction has written so far: of each item the last. */
class Written {
  readonly rows = new Map<string, WrittenRow>();
  revision: number;

  constructor(revision: number) {
    this.revision = revision;
  }

  next(): number {
    return ++this.revision;
  }

  note(written: WrittenRow): void {
    const key = JSON.stringify([written.kind, written.name]);
    this.rows.delete(key);
    this.rows.set(key, written);
  }
}
