/**
 * The audit log of a cluster whose store is in this process. Two ways to record an event:
 *
 * - `strict`: `append` resolves once the event is in the store and synced. Events that arrive
 *   together are written together.
 * - `best_effort`: `append` resolves once the event is in the spool file, where the end of the
 *   process cannot touch it; it reaches the store within a quarter of a second. A power cut may
 *   take the events of that time.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Store } from "../storage/store.ts";
import type { AuditEvent, AuditSink, EventDraft } from "./event.ts";
import { Spool } from "./spool.ts";

export type AuditMode =
  | { readonly kind: "strict" }
  | { readonly kind: "best_effort"; readonly spool: string };

export interface AuditLogOptions {
  readonly cluster: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly mode: AuditMode;
}

/** Milliseconds between an event in the spool and the next write to the store. */
const SHIP_MS = 250;

/** Events that may wait for the store; beyond that, `append` waits as well. */
const MAX_WAITING = 10_000;

export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions;
  readonly #spool: Spool | undefined;
  #waiting: AuditEvent[];
  #writing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: AuditLogOptions, spool: Spool | undefined, leftover: AuditEvent[]) {
    this.#options = options;
    this.#spool = spool;
    this.#waiting = leftover;
  }

  /** Opens the log; events that an earlier process could not ship are shipped first. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    if (options.mode.kind === "strict") return new AuditLog(options, undefined, []);
    const { spool, leftover } = Spool.open(options.mode.spool);
    const log = new AuditLog(options, spool, leftover);
    await log.flush();
    return log;
  }

  async append(draft: EventDraft): Promise<void> {
    const event: AuditEvent = {
      ...draft,
      time: this.#options.clock.now().toISOString(),
      uid: randomUUID(),
      cluster_name: this.#options.cluster,
    };
    this.#waiting.push(event);
    if (this.#spool === undefined || !this.#spooled(event)) return await this.flush();
    this.#timer ??= setTimeout(() => this.#ship(), SHIP_MS);
    if (this.#waiting.length > MAX_WAITING) await this.flush();
  }

  /** Resolves once everything appended so far is in the store. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Whoever comes while a group is being written joins the next one.
    const group = this.#writing.catch(() => {}).then(() => this.#writeGroup());
    this.#writing = group;
    return group;
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#spool?.close();
    }
  }

  /** A full disk must not stop the work; the store may still have room, or say the same. */
  #spooled(event: AuditEvent): boolean {
    try {
      this.#spool?.append(event);
      return true;
    } catch (error) {
      this.#options.log.error("Cannot write the audit spool", { error: String(error) });
      return false;
    }
  }

  #ship(): void {
    this.flush().catch((error: unknown) => {
      this.#options.log.error("Cannot store audit events; they wait in the spool", {
        events: this.#waiting.length,
        error: String(error),
      });
      this.#timer ??= setTimeout(() => this.#ship(), SHIP_MS);
    });
  }

  async #writeGroup(): Promise<void> {
    const group = this.#waiting;
    if (group.length === 0) return;
    this.#waiting = [];
    try {
      await this.#options.store.keepEvents(group);
    } catch (error) {
      this.#waiting = [...group, ...this.#waiting];
      throw error;
    }
    // Events that came meanwhile are in the file too: it is cleared when none is on its way.
    if (this.#waiting.length === 0) this.#spool?.clear();
  }
}
