import type { MessageId } from "../wire/refusal.ts";

/** Requests of one side that wait for an answer. Nothing is ever evicted to make room. */
export class Pending<Entry> {
  readonly #waiting = new Map<string, Entry>();
  readonly #cancelled = new Set<string>();
  readonly #limit: number;
  readonly #cancelledLimit: number;

  constructor(limit: number, cancelledLimit: number) {
    this.#limit = limit;
    this.#cancelledLimit = cancelledLimit;
  }

  /**
   * Whether an answer under this id may still come. A cancelled request counts, since its late
   * answer would pass for the answer to a new request that reuses the id.
   */
  has(id: MessageId): boolean {
    return this.#waiting.has(id.key) || this.#cancelled.has(id.key);
  }

  get full(): boolean {
    return this.#waiting.size >= this.#limit;
  }

  get(id: MessageId): Entry | undefined {
    return this.#waiting.get(id.key);
  }

  add(id: MessageId, entry: Entry): void {
    this.#waiting.set(id.key, entry);
  }

  /** The request that an answer belongs to; an answer settles it. */
  settle(id: MessageId): Entry | "cancelled" | undefined {
    const entry = this.#waiting.get(id.key);
    if (entry !== undefined) {
      this.#waiting.delete(id.key);
      return entry;
    }
    return this.#cancelled.delete(id.key) ? "cancelled" : undefined;
  }

  /** No answer to this request may be passed on from now; `full` if no more can be remembered. */
  cancel(id: MessageId): Entry | "full" | undefined {
    const entry = this.#waiting.get(id.key);
    if (entry === undefined) return undefined;
    if (this.#cancelled.size >= this.#cancelledLimit) return "full";
    this.#waiting.delete(id.key);
    this.#cancelled.add(id.key);
    return entry;
  }

  /** Everything that waits, oldest first; afterwards nothing does. */
  drain(): Entry[] {
    const entries = [...this.#waiting.values()];
    this.#waiting.clear();
    return entries;
  }

  entries(): Iterable<Entry> {
    return this.#waiting.values();
  }
}
