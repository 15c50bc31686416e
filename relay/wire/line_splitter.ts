/**
 * Cuts a stream into lines the way MCP's stdio transport defines them: at byte 0x0A and nowhere
 * else, dropping one trailing CR. Other readers also split at CR, U+2028 or U+2029, which lets one
 * message hide a second; this one does not.
 */
import type { Buffer } from "node:buffer";
import { ExcerptWriter } from "./excerpt_writer.ts";
import { Gather } from "./gather.ts";
import { MAX_LINE_BYTES } from "./frame.ts";

// The typed array's own search; Buffer's costs twice as much on Deno.
const { indexOf } = Uint8Array.prototype;

const LF = 0x0a;
const CR = 0x0d;

export interface LineHandlers {
  /** A complete line without its ending; it may be empty. */
  onLine(line: Buffer): void;
  /** A line beyond the limit was skipped; its first and last bytes are left of it. */
  onOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void;
}

export class LineSplitter {
  readonly #handlers: LineHandlers;
  readonly #limit: number;
  readonly #pieces = new Gather();
  #skipping: ExcerptWriter | undefined;

  constructor(handlers: LineHandlers, options: { limit?: number } = {}) {
    this.#handlers = handlers;
    this.#limit = options.limit ?? MAX_LINE_BYTES;
  }

  /** Bytes of a line that has not ended. */
  get held(): number {
    return this.#pieces.length;
  }

  /** Takes the next bytes; they must not be written to afterwards. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const end = indexOf.call(chunk, LF, at);
      const piece = end === -1 ? chunk.subarray(at) : chunk.subarray(at, end);
      if (end === -1) {
        this.#keep(piece);
        return;
      }
      this.#finish(piece);
      at = end + 1;
    }
  }

  /** The stream is over: a last line without an ending counts as a line. */
  end(): void {
    if (this.#pieces.length > 0 || this.#skipping) this.#finish(this.#pieces.take());
  }

  #keep(piece: Buffer): void {
    if (this.#skipping) return this.#skip(piece);
    if (this.#pieces.length + piece.length <= this.#limit) return this.#pieces.push(piece);
    this.#startSkipping();
    this.#skip(piece);
  }

  #finish(piece: Buffer): void {
    if (!this.#skipping && this.#pieces.length + piece.length > this.#limit) this.#startSkipping();
    if (this.#skipping) {
      this.#skip(piece);
      const { head, tail, bytes } = this.#skipping!;
      this.#skipping = undefined;
      this.#handlers.onOversized({ head, tail, bytes });
      return;
    }
    let line = piece;
    if (this.#pieces.length > 0) {
      if (piece.length > 0) this.#pieces.push(piece);
      line = this.#pieces.take();
    }
    if (line.length > 0 && line[line.length - 1] === CR) line = line.subarray(0, line.length - 1);
    this.#handlers.onLine(line);
  }

  #startSkipping(): void {
    this.#skipping = new ExcerptWriter(this.#pieces.take());
  }

  #skip(piece: Buffer): void {
    this.#skipping!.push(piece);
  }
}
