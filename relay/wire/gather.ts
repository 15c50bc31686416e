import { Buffer } from "node:buffer";

const FIRST_BYTES = 4096;

/**
 * Collects pieces of one message. It grows by doubling, so a message costs at most two copies of
 * each byte, and never holds more than twice what has really arrived: a peer that announces
 * megabytes and sends ten bytes has cost us ten bytes.
 */
export class Gather {
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What has been collected so far; valid until the next call. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies `piece` to the end; `expected`, if known, saves the last doublings. */
  push(piece: Uint8Array, expected?: number): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      let size = Math.max(this.#buffer.length * 2, FIRST_BYTES, needed);
      if (expected !== undefined) size = Math.max(needed, Math.min(size, expected));
      // Own memory, not the shared pool: a message must not keep its neighbours alive.
      const grown = Buffer.allocUnsafeSlow(size);
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** What was collected; the collector is empty and usable again. */
  take(): Buffer {
    const bytes = this.bytes;
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }
}
