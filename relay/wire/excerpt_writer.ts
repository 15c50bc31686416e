import { Buffer } from "node:buffer";

/** How much of each end is kept, so that the id may still be found. */
const EXCERPT_BYTES = 4096;

/** Keeps the two ends of something that is too long to keep. */
export class ExcerptWriter {
  head: Buffer;
  tail: Buffer;
  bytes: number;

  constructor(begun: Buffer) {
    this.head = Buffer.from(begun.subarray(0, EXCERPT_BYTES));
    this.tail = Buffer.from(begun.subarray(-EXCERPT_BYTES));
    this.bytes = begun.length;
  }

  push(piece: Buffer): void {
    const room = EXCERPT_BYTES - this.head.length;
    if (room > 0) this.head = Buffer.concat([this.head, piece.subarray(0, room)]);
    // Copies, so that an excerpt does not keep a whole chunk alive.
    this.tail = Buffer.from(
      Buffer.concat([this.tail, piece.subarray(-EXCERPT_BYTES)]).subarray(-EXCERPT_BYTES),
    );
    this.bytes += piece.length;
  }
}
