import { Queue } from "../../../wire/queue.ts";
import type { Outgoing } from "../../../http/outgoing.ts";

export interface TurnsOptions<Item extends { readonly message: Outgoing }> {
  /** Requests at a time. */
  readonly concurrent: number;
  /** Bytes of requests at a time; one may have more. */
  readonly openBytes: number;
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
  #openBytes = 0;
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
      const bytes = message.bytes.length;
      const request = message.kind === "request";
      if (request && !this.#hasPlace(bytes)) return;
      this.#queue.shift();
      this.#queuedBytes -= bytes;
      const alone = !request || message.method === "initialize";
      this.#blocked = alone;
      this.#count(request, 1, bytes);
      void this.#options.send(next).then(() => {
        this.#count(request, -1, -bytes);
        if (alone) this.#blocked = false;
        this.#go();
      });
    }
  }

  /** A request stays in memory until it is answered, since it may have to be sent once more. */
  #hasPlace(bytes: number): boolean {
    const { concurrent, openBytes } = this.#options;
    if (this.#requests >= concurrent) return false;
    return this.#requests === 0 || this.#openBytes + bytes <= openBytes;
  }

  #count(request: boolean, one: 1 | -1, bytes: number): void {
    if (!request) return;
    this.#requests += one;
    this.#openBytes += bytes;
  }
}
