import { Buffer } from "node:buffer";
import type { Writable } from "node:stream";

/** Pieces are joined into writes of up to this size; larger ones are written as they are. */
export const BATCH_BYTES = 64 * 1024;

/** Joins pieces into few writes without copying large ones. Its owner decides when to flush. */
export class Batch {
  readonly #stream: Writable;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #blocked = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("drain", () => void (this.#blocked = false));
  }

  /**
   * The stream has said that it is full, and has not drained since. What `write()` says counts: the
   * stdin of a child on Bun has `writableNeedDrain` false and `writableLength` 0 at all times.
   */
  get blocked(): boolean {
    return this.#blocked;
  }

  add(piece: Uint8Array): void {
    if (piece.length >= BATCH_BYTES) {
      this.flush();
      this.#write(piece);
      return;
    }
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= BATCH_BYTES) this.flush();
  }

  flush(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    if (!this.#stream.write(bytes)) this.#blocked = true;
  }
}
