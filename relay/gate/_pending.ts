import { createHash } from "node:crypto";
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
    return this.#waiting.has(id.key) || this.#cancelled.has(short(id));
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
    return this.#cancelled.delete(short(id)) ? "cancelled" : undefined;
  }

  /** No answer to this request may be passed on from now; `full` if no more can be remembered. */
  cancel(id: MessageId): Entry | "full" | undefined {
    const entry = this.#waiting.get(id.key);
    if (entry === undefined) return undefined;
    if (this.#cancelled.size >= this.#cancelledLimit) return "full";
    this.#waiting.delete(id.key);
    this.#cancelled.add(short(id));
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

/** A long id by its digest: what is cancelled may have to be remembered for ever. */
function short({ key }: MessageId): string {
  return key.length <= MAX_KEY ? key : createHash("sha256").update(key).digest("base64");
}

/** Longer than the ids that clients make; a digest is no key, since it has no colon. */
const MAX_KEY = 64;
