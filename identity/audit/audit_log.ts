/**
 * The audit log of a process: events become records of one chain, are written to the spool before
 * anybody goes on, and reach the store within a quarter of a second.
 *
 * - `strict`: `append` resolves once the record is on the disk, and rejects when it cannot be.
 * - `best_effort`: `append` resolves once the record is in the file, where the end of the process
 *   cannot touch it; a power cut may take the records that the system had not written yet. When the
 *   file cannot be written, records wait in memory for the store, which is warned of and counted.
 *
 * Events that come in one turn of the loop are written together.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { plainJson } from "../plain_json.ts";
import type { NumberedRecord } from "../storage/mod.ts";
import { type Head, headOf, nextRecord, type SignedHead } from "./chain.ts";
import type { AuditSink, EventDraft, EventJson } from "./event.ts";
import type { Shipper } from "./shipper.ts";
import { Spool } from "./spool.ts";
import { Stamp } from "./_stamp.ts";

export type AuditMode = "strict" | "best_effort";

export interface AuditLogOptions {
  readonly cluster: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly mode: AuditMode;
  /** Where records wait; in memory alone without it. */
  readonly spool?: string | undefined;
  /** Bytes that the spool takes at most (default 256 MiB); beyond it counts as unwritable. */
  readonly spoolLimit?: number | undefined;
  /**
   * Records that may wait in memory alone (default 10,000). Beyond it `strict` takes no more, and
   * `best_effort` loses the oldest.
   */
  readonly queueLimit?: number | undefined;
  readonly shipper: Shipper;
}

/** Milliseconds between a record in the spool and the next delivery. */
const SHIP_MS = 250;

/** The same when it has failed again and again. */
const MAX_SHIP_MS = 10_000;

/** What may wait in memory alone unless the configuration says otherwise. */
export const DEFAULT_QUEUE_RECORDS = 10_000;

/** How a log is doing; counts are of this process. */
export interface AuditFigures {
  /** Records that could not be written to the spool. */
  readonly unspooled: number;
  /** Records that are lost for good. */
  readonly lost: number;
  /** Records that a strict log did not take; what they tell of did not happen. */
  readonly refused: number;
  /** Records that are not in the store yet. */
  readonly waiting: number;
}

/** The records of one turn of the loop. */
interface Group {
  readonly before: Head;
  readonly records: NumberedRecord[];
  readonly done: PromiseWithResolvers<void>;
}

export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions;
  readonly #spool: Spool | undefined;
  readonly #cluster: string;
  readonly #stamp = new Stamp();
  #head: Head;
  #group: Group | undefined;
  #waiting: NumberedRecord[];
  #unsynced: PromiseWithResolvers<void>[] = [];
  #syncing = false;
  #shipping: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unspooled = 0;
  #refused = 0;
  #closing = false;
  /** Deliveries in a row that have failed. */
  #failures = 0;
  #shippingNow = 0;
  /** The numbers of waiting records that no file has, oldest first. */
  readonly #inMemoryAlone = new Set<number>();
  #lost = 0;

  private constructor(options: AuditLogOptions, spool: Spool | undefined, head: Head) {
    this.#options = options;
    this.#spool = spool;
    this.#cluster = JSON.stringify(options.cluster);
    this.#head = head;
    this.#waiting = [];
  }

  /** Opens the log; records that an earlier process could not deliver are delivered first. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const { shipper, log } = options;
    const stored = await shipper.head();
    const opened = options.spool === undefined
      ? undefined
      : Spool.open(options.spool, options.spoolLimit);
    const left = (opened?.leftover ?? []).map((entry) => ({ entry, head: headOf(entry) }))
      .filter(({ head }) => head.writer === stored.writer && head.seq > stored.seq);
    const kept = opened?.spool.head;
    const ends = [stored, left.at(-1)?.head, kept?.writer === stored.writer ? kept : undefined];
    const head = ends.reduce<Head>((a, b) => b && b.seq > a.seq ? b : a, stored);
    const self = new AuditLog(options, opened?.spool, head);
    self.#waiting = left.map(({ entry }) => entry);
    const missing = { from: stored.seq + 1, to: (left[0]?.head.seq ?? head.seq + 1) - 1 };
    if (missing.to >= missing.from) {
      // The store is older than what it has acknowledged (it was restored, or its end was cut off),
      // or records that only waited in memory went with the process.
      log.error("Audit records are missing from the store", missing);
      await self.append({ type: "audit.gap", code: "PAU001W", missing });
    }
    await self.flush();
    return self;
  }

  get figures(): AuditFigures {
    const waiting = this.#waiting.length + this.#shippingNow + (this.#group?.records.length ?? 0);
    return { unspooled: this.#unspooled, lost: this.#lost, refused: this.#refused, waiting };
  }

  append(draft: EventDraft | EventJson): Promise<void> {
    const json = typeof draft === "string" ? draft : JSON.stringify(draft);
    const time = this.#stamp.of(this.#options.clock.now());
    const stamps = `"time":"${time}","uid":"${randomUUID()}","cluster_name":${this.#cluster}`;
    const group = this.#group ??= this.#newGroup();
    // Names and arguments come from peers, and logs are read on terminals.
    const event = plainJson(`${json.slice(0, -1)},${stamps}}`);
    const { text, head } = nextRecord(this.#head, event);
    this.#head = head;
    group.records.push({ seq: head.seq, text });
    return group.done.promise;
  }

  /** Resolves once everything appended so far is in the store. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writeGroup();
    const round = this.#shipping.catch(() => {}).then(() => this.#shipWaiting());
    this.#shipping = round;
    return round;
  }

  async close(): Promise<void> {
    this.#closing = true;
    try {
      await this.flush();
    } finally {
      this.#spool?.close();
    }
  }

  #newGroup(): Group {
    queueMicrotask(() => this.#writeGroup());
    const done = Promise.withResolvers<void>();
    // Whoever has appended hears of a failure; not everybody listens to each of its events.
    done.promise.catch(() => {});
    return { before: this.#head, records: [], done };
  }

  #writeGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    const { records, done } = group;
    const { mode, log } = this.#options;
    let spooled = false;
    try {
      this.#spool?.write(records.map(({ text }) => text));
      spooled = this.#spool !== undefined;
      if (!spooled && mode === "strict") this.#demandRoom(records.length);
    } catch (error) {
      if (mode === "strict") {
        // What is in no file has not happened: the chain goes on from where it was.
        this.#head = group.before;
        this.#refused += records.length;
        return done.reject(error);
      }
      if (this.#unspooled === 0) {
        log.error("Cannot write the audit spool", { error: String(error) });
      }
      this.#unspooled += records.length;
    }
    if (!spooled) { for (const { seq } of records) this.#inMemoryAlone.add(seq); }
    this.#wait(records);
    if (mode === "best_effort") return done.resolve();
    if (spooled) return this.#sync(done);
    // Without a file the store itself is what strict waits for.
    this.flush().then(() => done.resolve(), (error) => {
      // Nobody may come to try again: a full queue takes nothing.
      this.#deliverLater();
      done.reject(error);
    });
  }

  get #queueLimit(): number {
    return this.#options.queueLimit ?? DEFAULT_QUEUE_RECORDS;
  }

  /** Without a file, records of a strict log wait here until the store has them. */
  #demandRoom(records: number): void {
    const limit = this.#queueLimit;
    if (this.#inMemoryAlone.size + records <= limit) return;
    throw new IdentityError(
      "AUDIT_QUEUE_FULL",
      `The limit audit.queue_limit is reached: ${limit} records wait for the store`,
      { hint: "See why the store is away, or raise audit.queue_limit" },
    );
  }

  #wait(records: readonly NumberedRecord[]): void {
    for (const record of records) this.#waiting.push(record);
    this.#loseExcess();
    this.#deliverLater();
  }

  /**
   * Neither file nor store takes them; the gap in the chain says that they were there.
   * INVARIANT (spooled is kept): a record in the file is never among them, since the file is
   * cleared once nothing waits any more.
   */
  #loseExcess(): void {
    const excess = this.#inMemoryAlone.size - this.#queueLimit;
    if (excess <= 0 || this.#options.mode === "strict") return;
    const lost = new Set([...this.#inMemoryAlone].slice(0, excess));
    const kept = this.#waiting.filter(({ seq }) => !lost.has(seq));
    const taken = this.#waiting.length - kept.length;
    // Those of a delivery that is under way are not here, and may yet arrive.
    if (taken === 0) return;
    for (const { seq } of this.#waiting) if (lost.has(seq)) this.#inMemoryAlone.delete(seq);
    this.#waiting = kept;
    this.#lost += taken;
    this.#options.log.error("Audit records are lost", { records: this.#lost });
  }

  /** Syncs for all groups that wait; those that come meanwhile share the next sync. */
  #sync(done: PromiseWithResolvers<void>): void {
    this.#unsynced.push(done);
    if (this.#syncing || !this.#spool) return;
    this.#syncing = true;
    const round = this.#unsynced;
    this.#unsynced = [];
    const settle = (error?: unknown) => {
      this.#syncing = false;
      for (const { resolve, reject } of round) error === undefined ? resolve() : reject(error);
      const next = this.#unsynced.pop();
      if (next) this.#sync(next);
    };
    this.#spool.sync().then(() => settle(), settle);
  }

  #deliverLater(): void {
    if (this.#closing) return;
    const wait = Math.min(SHIP_MS * 2 ** this.#failures, MAX_SHIP_MS);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#deliver();
    }, wait);
  }

  #deliver(): void {
    this.flush().then(() => this.#failures = 0, (error: unknown) => {
      this.#failures++;
      this.#options.log.error("Cannot store audit records; they wait", {
        records: this.#waiting.length,
        error: String(error),
      });
      this.#deliverLater();
    });
  }

  async #shipWaiting(): Promise<void> {
    const { shipper, mode } = this.#options;
    const batch = this.#waiting;
    const last = batch.at(-1);
    if (last === undefined) return;
    this.#waiting = [];
    this.#shippingNow = batch.length;
    let head: SignedHead;
    try {
      head = await shipper.ship(batch, headOf(last), { durable: mode === "strict" });
    } catch (error) {
      this.#waiting = [...batch, ...this.#waiting];
      throw error;
    } finally {
      this.#shippingNow = 0;
    }
    for (const { seq } of batch) this.#inMemoryAlone.delete(seq);
    if (!this.#spool) return;
    try {
      this.#spool.keepHead(head);
      // Records that came meanwhile are in the file too: it is cleared when none is on its way.
      if (this.#waiting.length === 0 && this.#group === undefined) this.#spool.clear();
    } catch (error) {
      // They are stored; the file merely keeps them longer than it has to.
      this.#options.log.warn("Cannot clear the audit spool", { error: String(error) });
    }
  }
}
