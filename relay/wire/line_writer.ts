import { Buffer } from "node:buffer";
import process from "node:process";
import type { Writable } from "node:stream";
import { Batch } from "./batch.ts";

const LF = Buffer.from("\n");

/**
 * Writes lines to a stdio stream. Those of one turn of the event loop leave in one write; a line
 * counts as passed on once the stream has room for more.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #batch: Batch;
  #scheduled = false;
  #waiting: (() => void)[] = [];

  constructor(stream: Writable) {
    this.#stream = stream;
    this.#batch = new Batch(stream);
    stream.on("drain", () => this.#wake());
    // Whoever waits for room must not wait for ever; what follows is the closing of the session.
    stream.on("close", () => this.#wake());
  }

  /** Queues a line, given without its ending. */
  write(line: Uint8Array): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#batch.add(line);
    this.#batch.add(LF);
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Writes out what is queued; call it before ending the stream. */
  flush(): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#batch.flush();
  }

  /** The reader is slow: producers should wait for `room`. */
  get congested(): boolean {
    return this.#batch.blocked && !this.#stream.destroyed;
  }

  /** Resolves when there is room, or nothing more can be written. */
  room(): Promise<void> {
    if (!this.congested) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
