/**
 * The embedded store: one SQLite file, held exclusively by one process for as long as it is open.
 * Guarantees that a committed write survives a power cut (`synchronous=FULL`).
 */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Log, silentLog } from "../log.ts";
import { explainOpening } from "./_directory_lock.ts";
import { type PieceRow, RecordReader } from "./_record_reader.ts";
import { type ItemRow, toItem, toText } from "./_rows.ts";
import { Sealer, type SealingKeys } from "./seal.ts";
import { settleSeals } from "./_settle_seals.ts";
import { settleFile } from "./_sqlite_schema.ts";
import type {
  Change,
  Item,
  ItemKind,
  Store,
  StoredEvent,
  StoredRecord,
  Transaction,
  UpdateOptions,
} from "./store.ts";

export interface SqliteOptions {
  /** The directory of the database; made with mode 0700 when it is not there. */
  readonly directory: string;
  readonly now: () => Date;
  /** What private keys are encrypted with; they lie open in the file without it. */
  readonly sealing?: SealingKeys | undefined;
  readonly log?: Log | undefined;
}

/** Opens the store in a directory, creating both as needed. */
export function openSqliteStore(options: SqliteOptions): Store {
  const file = join(options.directory, "cluster.sqlite");
  const sealer = new Sealer(options.sealing);
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(file);
    chmodSync(file, 0o600);
    // The lock lasts as long as the process, however it ends: a second process is turned away.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;");
    database.exec("PRAGMA synchronous = FULL;");
    settleFile(database, { file, now: options.now(), log: options.log ?? silentLog });
    settleSeals(database, sealer);
  } catch (cause) {
    database?.close();
    throw explainOpening(cause, options.directory);
  }
  return new SqliteStore(database, options.now, sealer);
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #now: () => Date;
  readonly #sealer: Sealer;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  readonly #records = new RecordReader({
    before: (place) => this.#piece("last < ? ORDER BY last DESC", place),
    after: (place) => this.#piece("last > ? ORDER BY last", place),
  });
  #queue: Promise<unknown> = Promise.resolve();

  constructor(database: DatabaseSync, now: () => Date, sealer: Sealer) {
    this.#database = database;
    this.#now = now;
    this.#sealer = sealer;
  }

  get<T>(kind: ItemKind, name: string): Promise<Item<T> | undefined> {
    return this.#afterWrites(() => this.#get<T>(kind, name));
  }

  list<T>(kind: ItemKind): Promise<Item<T>[]> {
    return this.#afterWrites(() => this.#list<T>(kind));
  }

  update<T>(
    work: (transaction: Transaction) => Promise<T>,
    { durable = true }: UpdateOptions = {},
  ): Promise<T> {
    return this.#afterWrites(async () => {
      const changed: Pick<Change, "kind" | "name">[] = [];
      if (!durable) this.#database.exec("PRAGMA synchronous = NORMAL");
      let result: T;
      try {
        this.#database.exec("BEGIN IMMEDIATE");
        try {
          result = await work(this.#transaction(changed));
          this.#database.exec("COMMIT");
        } catch (error) {
          this.#database.exec("ROLLBACK");
          throw error;
        }
      } finally {
        if (!durable) this.#database.exec("PRAGMA synchronous = FULL");
      }
      if (changed.length === 0) return result;
      const revision = this.#revision();
      const changes = changed.map((key) => ({
        ...key,
        item: this.#get(key.kind, key.name),
        revision,
      }));
      for (const listener of this.#listeners) listener(changes);
      return result;
    });
  }

  subscribe(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** No other process writes, and its own commits are told before they are confirmed. */
  catchUp(): Promise<void> {
    return Promise.resolve();
  }

  revision(): Promise<number> {
    return this.#afterWrites(() => this.#revision());
  }

  lastNumber(writer: string): Promise<number> {
    return this.#afterWrites(() => {
      const newest = "SELECT MAX(first + count - 1) AS number FROM records WHERE writer = ?";
      return Number(this.#database.prepare(newest).get(writer)?.["number"] ?? 0);
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

  #piece(where: string, place: number): Promise<PieceRow | undefined> {
    const query = `SELECT last, count, packed FROM records WHERE ${where} LIMIT 1`;
    return this.#afterWrites(() =>
      this.#database.prepare(query).get(place) as unknown as PieceRow | undefined
    );
  }

  async copyTo(file: string): Promise<void> {
    await this.#afterWrites(() => this.#database.prepare("VACUUM INTO ?").run(file));
  }

  async close(): Promise<void> {
    await this.#afterWrites(() => this.#database.close());
  }

  /** One connection, so one thing at a time: a read never sees a half-done transaction. */
  #afterWrites<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  #transaction(changes: Pick<Change, "kind" | "name">[]): Transaction {
    return {
      get: <T>(kind: ItemKind, name: string) => Promise.resolve(this.#get<T>(kind, name)),
      list: <T>(kind: ItemKind) => Promise.resolve(this.#list<T>(kind)),
      put: (kind, name, value, options) => {
        this.#database.exec("UPDATE counter SET revision = revision + 1");
        this.#database.prepare(
          `INSERT INTO items (kind, name, revision, value, expires)
           VALUES (?, ?, (SELECT revision FROM counter), ?, ?)
           ON CONFLICT (kind, name) DO UPDATE SET
           revision = excluded.revision, value = excluded.value, expires = excluded.expires`,
        ).run(
          kind,
          name,
          toText({ kind, name }, value, this.#sealer),
          options?.expires?.getTime() ?? null,
        );
        changes.push({ kind, name });
        return Promise.resolve();
      },
      delete: (kind, name) => {
        const { changes: deleted } = this.#database
          .prepare("DELETE FROM items WHERE kind = ? AND name = ?").run(kind, name);
        if (Number(deleted) === 0) return Promise.resolve(false);
        this.#database.exec("UPDATE counter SET revision = revision + 1");
        changes.push({ kind, name });
        return Promise.resolve(true);
      },
      forgetExpired: (before, limit) => {
        const { changes: forgotten } = this.#database.prepare(
          `DELETE FROM items WHERE (kind, name) IN
           (SELECT kind, name FROM items WHERE expires <= ? LIMIT ?)`,
        ).run(before.getTime(), limit);
        return Promise.resolve(Number(forgotten));
      },
      keepRecords: ({ writer, first, count, bytes }) => {
        this.#database.prepare(
          `INSERT INTO records (last, count, writer, first, packed)
           VALUES ((SELECT COALESCE(MAX(last), 0) FROM records) + ?1, ?1, ?2, ?3, ?4)
           ON CONFLICT (writer, first) DO NOTHING`,
        ).run(count, writer, first, bytes);
        return Promise.resolve();
      },
    };
  }

  #revision(): number {
    return Number(this.#database.prepare("SELECT revision FROM counter").get()?.["revision"] ?? 0);
  }

  #get<T>(kind: ItemKind, name: string): Item<T> | undefined {
    const row = this.#database
      .prepare(
        "SELECT * FROM items WHERE kind = ? AND name = ? AND (expires IS NULL OR expires > ?)",
      )
      .get(kind, name, this.#now().getTime());
    return row === undefined ? undefined : toItem<T>(row as unknown as ItemRow, this.#sealer);
  }

  #list<T>(kind: ItemKind): Item<T>[] {
    return this.#database
      .prepare(
        "SELECT * FROM items WHERE kind = ? AND (expires IS NULL OR expires > ?) ORDER BY name",
      )
      .all(kind, this.#now().getTime())
      .map((row) => toItem<T>(row as unknown as ItemRow, this.#sealer));
  }
}
