/**
 * The messages that one end of a session has sent, or wants to send, and that the other end has
 * not acknowledged. It belongs to the session, not to a connection: what is still here when a
 * connection breaks is exactly what a resumed session has to send again.
 */
import { Queue } from "./queue.ts";

/** How much one end may send ahead of the other end's acknowledgements. */
export interface Window {
  readonly bytes: number;
  readonly messages: number;
}

/** What a receiver grants unless its HELLO or WELCOME says otherwise. */
export const DEFAULT_WINDOW: Window = { bytes: 4 * 1024 * 1024, messages: 1024 };

export interface OutboxEntry {
  readonly seq: number;
  readonly body: Uint8Array;
  /** What its sender wants to know of it, should it have to go again. */
  readonly about?: unknown;
}

/** What becomes of a message that has to go again; `undefined` drops it. */
export type Review = (body: Uint8Array, about: unknown) => Uint8Array | undefined;

export class Outbox {
  readonly #waiting = new Queue<OutboxEntry>();
  readonly #sent = new Queue<OutboxEntry>();
  #window: Window = DEFAULT_WINDOW;
  #waitingBytes = 0;
  #sentBytes = 0;
  #lastSeq = 0;
  #lastSent = 0;
  #acknowledged = 0;

  /** What the receiver takes, as far as this end cares to keep as much: a claim costs nothing. */
  set window({ bytes, messages }: Window) {
    this.#window = {
      bytes: Math.min(bytes, DEFAULT_WINDOW.bytes),
      messages: Math.min(messages, DEFAULT_WINDOW.messages),
    };
  }

  /** The number of the message that was appended last. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** No message waits for the window; the sent ones may still be unacknowledged. */
  get drained(): boolean {
    return this.#waiting.size === 0;
  }

  /** Producers should wait: the receiver has to acknowledge first. */
  get full(): boolean {
    return this.bytes >= this.#window.bytes ||
      this.#waiting.size + this.#sent.size >= this.#window.messages;
  }

  /** What is held here, sent or not. */
  get bytes(): number {
    return this.#waitingBytes + this.#sentBytes;
  }

  append(body: Uint8Array, about?: unknown): void {
    this.#waiting.push({ seq: ++this.#lastSeq, body, about });
    this.#waitingBytes += body.length;
  }

  /**
   * Takes the next entry that the window allows to be sent. A message larger than the window goes
   * when nothing else is under way; otherwise it could never be sent at all.
   */
  next(): OutboxEntry | undefined {
    const entry = this.#waiting.peek();
    if (entry === undefined || this.#sent.size >= this.#window.messages) return undefined;
    const size = entry.body.length;
    if (this.#sent.size > 0 && this.#sentBytes + size > this.#window.bytes) return undefined;
    this.#waiting.shift();
    this.#waitingBytes -= size;
    this.#sent.push(entry);
    this.#sentBytes += size;
    this.#lastSent = entry.seq;
    return entry;
  }

  /** Drops what was not sent. */
  discardWaiting(): void {
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }

  /** Forgets everything up to `seq`; false if the peer acknowledges what was never sent. */
  acknowledge(seq: number): boolean {
    if (seq > this.#lastSent) return false;
    this.#acknowledged = Math.max(this.#acknowledged, seq);
    for (let entry = this.#sent.peek(); entry && entry.seq <= seq; entry = this.#sent.peek()) {
      this.#sentBytes -= entry.body.length;
      this.#sent.shift();
    }
    return true;
  }

  /**
   * The session goes on over another connection, and the peer has had everything up to `received`.
   * The rest goes again, as `review` leaves it, under numbers without gaps: nobody has seen those
   * that it had. False if the peer claims what cannot be; nothing has changed then.
   */
  resume(received: number, review: Review = (body) => body): boolean {
    if (received > this.#lastSent || received < this.#acknowledged) return false;
    const again: OutboxEntry[] = [];
    for (let left = this.#sent.size; left > 0; left--) {
      const entry = this.#sent.shift()!;
      // What has arrived counts against the window until it is acknowledged.
      if (entry.seq <= received) this.#sent.push(entry);
      else again.push(entry);
    }
    for (let entry = this.#waiting.shift(); entry; entry = this.#waiting.shift()) again.push(entry);
    this.#sentBytes = 0;
    this.#sent.forEach(({ body }) => this.#sentBytes += body.length);
    this.#waitingBytes = 0;
    this.#lastSeq = this.#lastSent = received;
    for (const { body, about } of again) {
      const left = review(body, about);
      if (left !== undefined) this.append(left, about);
    }
    return true;
  }
}
