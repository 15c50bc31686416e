import { Queue } from "../../../wire/queue.ts";
import type { Outgoing } from "../../../http/outgoing.ts";

export interface TurnsOptions<Item extends { readonly message: Outgoing }> {
  /** Requests at a time. */
  readonly concurrent: number;
  /** Bytes of messages that wait. */
  readonly queuedBytes: number;
  /** Sends a message; resolves when it is no longer in the way of others. Must not reject. */
  readonly send: (item: Item) => Promise<void>;
}

/**
 * Messages over HTTP travel on connections of their own, and only so far apart as this lets them:
 * a notification is with the server before anything after it leaves, and `initialize` is answered.
 * Requests go side by side, up to a limit.
 */
export class Turns<Item extends { readonly message: Outgoing }> {
  readonly #options: TurnsOptions<Item>;
  readonly #queue = new Queue<Item>();
  #queuedBytes = 0;
  #requests = 0;
  #blocked = false;
  #over = false;

  constructor(options: TurnsOptions<Item>) {
    this.#options = options;
  }

  /** Bytes of messages that wait. */
  get bytes(): number {
    return this.#queuedBytes;
  }

  /** False if there is no room to wait in. */
  add(item: Item): boolean {
    const bytes = item.message.bytes.length;
    if (this.#queue.size > 0 && this.#queuedBytes + bytes > this.#options.queuedBytes) return false;
    this.#queue.push(item);
    this.#queuedBytes += bytes;
    this.#go();
    return true;
  }

  /** Drops what waits. */
  close(): void {
    this.#over = true;
    this.#queue.clear();
    this.#queuedBytes = 0;
  }

  #go(): void {
    while (!this.#blocked && !this.#over) {
      const next = this.#queue.peek();
      if (next === undefined) return;
      const { message } = next;
      const request = message.kind === "request";
      if (request && this.#requests >= this.#options.concurrent) return;
      this.#queue.shift();
      this.#queuedBytes -= message.bytes.length;
      const alone = !request || message.method === "initialize";
      this.#blocked = alone;
      if (request) this.#requests++;
      void this.#options.send(next).then(() => {
        if (request) this.#requests--;
        if (alone) this.#blocked = false;
        this.#go();
      });
    }
  }
}
