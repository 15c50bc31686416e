/**
 * The frames of `postern/1`: sixteen bytes of header, then a body. Lengths come before bytes, so
 * no message can pose as a control, and a limit is checked before anything is kept.
 * `docs/protocol.md` is the normative table; `channel.ts` says when each frame is sent.
 */
import { Buffer } from "node:buffer";
import { RelayError } from "../error.ts";
import { Gather } from "./gather.ts";

/** The ALPN protocol id of a session between a bridge and an agent. */
export const ALPN = "postern/1";

export const HEADER_BYTES = 16;

/** The largest JSON-RPC line that either end reads from its own stdio side. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * The largest body of a MESSAGE. The gate emits messages anew, and U+2028 takes twice as many
 * bytes when it is escaped, so a line of the largest size must still fit.
 */
export const MAX_MESSAGE_BYTES = 2 * MAX_LINE_BYTES;

/** The largest body of every other frame. */
export const MAX_CONTROL_BYTES = 64 * 1024;

export const FrameType = {
  HELLO: 0x01,
  WELCOME: 0x02,
  MESSAGE: 0x03,
  ACK: 0x04,
  END: 0x05,
  PING: 0x06,
  PONG: 0x07,
  REPEATABLE: 0x80,
} as const;

/** Types from here on are optional: a reader that does not know one skips it. */
export const FIRST_OPTIONAL_TYPE = 0x80;

const LAST_KNOWN_TYPE = FrameType.PONG;

export interface Frame {
  readonly type: number;
  readonly seq: number;
  readonly body: Buffer;
}

const NO_BODY = Buffer.alloc(0);

/** The header of a frame; the body of `length` bytes must follow it on the wire. */
export function encodeHeader(frame: { type: number; seq: number; length: number }): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(frame.type * 0x1000000, 0);
  header.writeUInt32BE(frame.length, 4);
  header.writeUInt32BE(Math.floor(frame.seq / 0x100000000), 8);
  header.writeUInt32BE(frame.seq % 0x100000000, 12);
  return header;
}

/** One whole frame. */
export function encodeFrame(type: number, seq = 0, body: Uint8Array = NO_BODY): Buffer {
  return Buffer.concat([encodeHeader({ type, seq, length: body.length }), body]);
}

/**
 * Cuts a byte stream into frames. It throws `PROTOCOL` for a header that no sender of this version
 * writes and `LIMIT_EXCEEDED` for a body that is announced too large, and is not usable afterwards.
 */
export class FrameDecoder {
  readonly #maxMessage: number;
  readonly #header = new Gather();
  readonly #body = new Gather();
  /** The header whose body is awaited. */
  #open: { type: number; seq: number; length: number } | undefined;

  constructor(options: { maxMessage?: number } = {}) {
    this.#maxMessage = options.maxMessage ?? MAX_MESSAGE_BYTES;
  }

  /** True in the middle of a frame: an end of the stream here has cut something off. */
  get partial(): boolean {
    return this.#open !== undefined || this.#header.length > 0;
  }

  /** Hands each frame that `chunk` completes to `onFrame`, in order; optional unknown ones are skipped. */
  decode(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (true) {
      if (this.#open === undefined) {
        const missing = HEADER_BYTES - this.#header.length;
        const left = chunk.length - at;
        if (left < missing) {
          if (left > 0) this.#header.push(chunk.subarray(at), HEADER_BYTES);
          return;
        }
        if (missing === HEADER_BYTES) {
          this.#open = this.#parseHeader(chunk, at);
        } else {
          this.#header.push(chunk.subarray(at, at + missing), HEADER_BYTES);
          this.#open = this.#parseHeader(this.#header.take(), 0);
        }
        at += missing;
      }
      const { type, seq, length } = this.#open;
      const missing = length - this.#body.length;
      const piece = chunk.subarray(at, at + missing);
      at += piece.length;
      let body: Buffer;
      if (piece.length < missing) {
        if (piece.length > 0) this.#body.push(piece, length);
        return;
      } else if (missing === length) {
        body = piece;
      } else {
        this.#body.push(piece, length);
        body = this.#body.take();
      }
      this.#open = undefined;
      if (type <= LAST_KNOWN_TYPE || type === FrameType.REPEATABLE) onFrame({ type, seq, body });
    }
  }

  #parseHeader(bytes: Buffer, at: number): { type: number; seq: number; length: number } {
    const first = bytes.readUInt32BE(at);
    const type = first >>> 24;
    if (type === 0 || (type > LAST_KNOWN_TYPE && type < FIRST_OPTIONAL_TYPE)) {
      throw new RelayError("PROTOCOL", `Cannot read a frame of unknown type ${type}`, {
        hint: "Run the same version of Postern on both ends",
      });
    }
    if ((first & 0xffffff) !== 0) {
      throw new RelayError("PROTOCOL", "Cannot read a frame: its reserved bytes are not zero");
    }
    const length = bytes.readUInt32BE(at + 4);
    const limit = type === FrameType.MESSAGE ? this.#maxMessage : MAX_CONTROL_BYTES;
    if (length > limit) {
      throw new RelayError(
        "LIMIT_EXCEEDED",
        `Cannot read a frame of ${length} bytes: the limit is ${limit}`,
      );
    }
    const high = bytes.readUInt32BE(at + 8);
    // Beyond 2^53 a number would no longer count; no session gets there.
    if (high > 0x1fffff) {
      throw new RelayError("PROTOCOL", "Cannot read a frame: its number is absurd");
    }
    return { type, seq: high * 0x100000000 + bytes.readUInt32BE(at + 12), length };
  }
}
