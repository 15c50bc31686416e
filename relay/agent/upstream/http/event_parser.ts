/**
 * Cuts a stream of server-sent events (WHATWG HTML §9.2.6) into events, as bytes: what a server
 * wrote reaches the gate as it was written, bad UTF-8 and long numbers included.
 */
import { Buffer } from "node:buffer";
import { ExcerptWriter } from "../../../wire/excerpt_writer.ts";
import { Gather } from "../../../wire/gather.ts";
import type { Budget } from "./limits.ts";

export interface ServerEvent {
  /** `message` unless the server named it. */
  readonly type: string;
  readonly data: Buffer;
}

export interface EventHandlers {
  onEvent(event: ServerEvent): void;
  /** An event beyond the limit was skipped. */
  onOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void;
  /** Where to go on reading after an interruption; empty when there is no such place any more. */
  onId(id: string): void;
  onRetry(ms: number): void;
}

export interface EventLimits {
  /** The data of one event. */
  readonly messageBytes: number;
  /** Shared with other streams of the session. */
  readonly budget: Budget;
}

// The typed array's own search; Buffer's costs twice as much on Deno.
const { indexOf } = Uint8Array.prototype;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

/** Any field but data; a longer one is no id or name that anyone would use. */
const MAX_FIELD_BYTES = 1024;
/** The name of the field, its colon and the space behind it. */
const FIELD_NAME_BYTES = 16;
const BOM = [0xef, 0xbb, 0xbf];

export class EventParser {
  readonly #handlers: EventHandlers;
  readonly #limits: EventLimits;
  readonly #line = new Gather();
  #data: Buffer | undefined;
  readonly #more = new Gather();
  #skipping: ExcerptWriter | undefined;
  /** While skipping: the line in hand is not empty. */
  #lineOpen = false;
  #type = "message";
  #id: string | undefined;
  #afterCr = false;
  #begun = false;
  /** What this parser has taken from the budget. */
  #held = 0;

  constructor(handlers: EventHandlers, limits: EventLimits) {
    this.#handlers = handlers;
    this.#limits = limits;
  }

  /** Bytes of an event that is being skipped. */
  get skipped(): number {
    return this.#skipping?.bytes ?? 0;
  }

  /** Takes the next bytes; they must not be written to afterwards. */
  push(chunk: Buffer): void {
    let at = 0;
    if (this.#afterCr && chunk.length > 0) {
      this.#afterCr = false;
      if (chunk[0] === LF) at = 1;
    }
    let cr = -1;
    let lf = -1;
    while (at < chunk.length) {
      if (cr < at) cr = search(chunk, CR, at);
      if (lf < at) lf = search(chunk, LF, at);
      const end = Math.min(cr, lf);
      if (end === chunk.length) return this.#keep(chunk.subarray(at));
      this.#finish(chunk.subarray(at, end));
      at = end + 1;
      if (end !== cr) continue;
      // CR LF is one line end, which may be cut in two.
      if (at === chunk.length) this.#afterCr = true;
      else if (chunk[at] === LF) at++;
    }
  }

  /** The stream is over; an event that was not finished is none. */
  end(): void {
    this.#line.take();
    this.#reset();
  }

  /** Part of a line. */
  #keep(piece: Buffer): void {
    if (this.#skipping) {
      this.#lineOpen = true;
      return this.#skipping.push(piece);
    }
    const bytes = this.#line.length + piece.length;
    if (bytes > this.#room() || !this.#hold(piece.length)) {
      this.#skip(withoutName(Buffer.concat([this.#line.take(), piece])));
      this.#lineOpen = true;
      return;
    }
    this.#line.push(piece);
  }

  #finish(piece: Buffer): void {
    if (this.#skipping) {
      // Only an empty line ends the event.
      if (piece.length === 0 && !this.#lineOpen) return this.#dispatch();
      this.#skipping.push(piece);
      this.#lineOpen = false;
      return;
    }
    if (this.#line.length === 0) return this.#field(piece);
    const before = this.#line.length;
    if (before + piece.length > this.#room()) {
      return this.#skip(withoutName(Buffer.concat([this.#line.take(), piece])));
    }
    this.#line.push(piece);
    this.#release(before);
    this.#field(this.#line.take());
  }

  #room(): number {
    const data = (this.#data?.length ?? 0) + this.#more.length;
    return this.#limits.messageBytes + FIELD_NAME_BYTES - data;
  }

  /** Gives the event up; `rest` is what does not fit any more. */
  #skip(rest: Buffer): void {
    const begun = this.#data ?? (this.#more.length > 0 ? this.#more.take() : undefined);
    this.#skipping = new ExcerptWriter(begun ?? rest);
    if (begun) this.#skipping.push(rest);
    this.#lineOpen = false;
    this.#data = undefined;
    this.#release(this.#held);
  }

  #field(given: Buffer): void {
    let line = given;
    if (!this.#begun) {
      this.#begun = true;
      if (BOM.every((byte, i) => line[i] === byte)) line = line.subarray(3);
    }
    if (line.length === 0) return this.#dispatch();
    const colon = search(line, COLON, 0);
    if (colon === 0) return;
    const name = colon <= FIELD_NAME_BYTES ? line.toString("latin1", 0, colon) : "";
    const value = line.subarray(line[colon + 1] === SPACE ? colon + 2 : colon + 1);
    if (name === "data") return this.#addData(value);
    if (value.length > MAX_FIELD_BYTES) return;
    if (name === "event") this.#type = value.toString("utf8") || "message";
    // Latin-1, since that is how a header carries bytes back unchanged.
    else if (name === "id" && !value.includes(0)) this.#id = value.toString("latin1");
    else if (name === "retry" && DIGITS.test(value.toString("latin1"))) {
      this.#handlers.onRetry(Number(value.toString("latin1")));
    }
  }

  #addData(value: Buffer): void {
    const first = this.#data === undefined && this.#more.length === 0;
    const bytes = (this.#data?.length ?? 0) + this.#more.length + value.length + (first ? 0 : 1);
    const fits = bytes <= this.#limits.messageBytes && this.#hold(value.length + 1);
    if (!fits) return this.#skip(value);
    if (first) {
      this.#data = value;
      return;
    }
    if (this.#data !== undefined) {
      this.#more.push(this.#data);
      this.#data = undefined;
    }
    this.#more.push(NEW_LINE);
    this.#more.push(value);
  }

  #dispatch(): void {
    const { onEvent, onId, onOversized } = this.#handlers;
    const id = this.#id;
    const type = this.#type;
    const skipped = this.#skipping;
    const data = this.#data ?? (this.#more.length > 0 ? this.#more.take() : undefined);
    this.#reset();
    if (id !== undefined) onId(id);
    if (skipped) {
      const { head, tail, bytes } = skipped;
      onOversized({ head, tail, bytes });
    } else if (data !== undefined && data.length > 0) {
      onEvent({ type, data });
    }
  }

  #reset(): void {
    this.#skipping = undefined;
    this.#data = undefined;
    this.#more.take();
    this.#type = "message";
    this.#id = undefined;
    this.#release(this.#held);
  }

  #hold(bytes: number): boolean {
    if (!this.#limits.budget.take(bytes)) return false;
    this.#held += bytes;
    return true;
  }

  #release(bytes: number): void {
    this.#limits.budget.give(bytes);
    this.#held -= bytes;
  }
}

/** The first place of `byte` from `from` on, or the end. */
function search(bytes: Uint8Array, byte: number, from: number): number {
  const at = indexOf.call(bytes, byte, from);
  return at < 0 ? bytes.length : at;
}

/** A line of data without the field's name, so that an excerpt begins where the message does. */
function withoutName(line: Buffer): Buffer {
  const colon = search(line.subarray(0, FIELD_NAME_BYTES), COLON, 0);
  return line.subarray(line[colon + 1] === SPACE ? colon + 2 : colon + 1);
}

const NEW_LINE = new Uint8Array([LF]);
const DIGITS = /^\d{1,9}$/;
