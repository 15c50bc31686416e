/**
 * One connection of a session: frames over a TLS stream. Both ends count and acknowledge messages,
 * and the acknowledgement is also the flow control: a message is acknowledged when it was passed
 * on, and a sender stops at the window. So the stream is always read, acknowledgements are never
 * stuck behind messages, and neither end holds more than its window.
 *
 * It leaves to its owner what messages mean, and which greeting is acceptable.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import type { Duplex } from "node:stream";
import { RelayError } from "../error.ts";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
  writeHeader,
} from "./frame.ts";
import { encodeBody, type End, type Hello, parseEnd, type Welcome } from "./handshake.ts";
import { Inbox } from "./inbox.ts";
import { Outbox, type Window } from "./outbox.ts";

/** Small frames are joined into writes of up to this size; larger bodies are written as they are. */
const BATCH_BYTES = 64 * 1024;

/** An acknowledgement waits this long for other bytes to travel with. */
const ACK_DELAY_MS = 20;

/** How long a last word may take to get out before the connection is cut. */
const LINGER_MS = 10_000;

/** This many silent intervals, each with a PING of ours unanswered, mean that the peer is gone. */
const SILENT_INTERVALS = 3;

export interface ChannelHandlers {
  /** The peer's HELLO (at an agent) or WELCOME (at a bridge): the first frame of all. */
  onGreeting(body: Buffer): void;
  /** The next message in order. Call `passedOn()` once for each, in order. */
  onMessage(body: Buffer): void;
  /** The window has room again after `congested` was true. */
  onDrain(): void;
  /** The peer ended the session and said why. */
  onEnd(end: End): void;
  /** Nothing comes after this; `error` is absent when either side had said END. */
  onClose(error: Error | undefined): void;
}

export interface ChannelOptions {
  readonly outbox?: Outbox;
  readonly inbox?: Inbox;
  readonly maxMessage?: number;
  /** Milliseconds between looks for signs of life (default 15,000). */
  readonly keepalive?: number;
}

export class Channel {
  readonly #stream: Duplex;
  readonly #handlers: ChannelHandlers;
  readonly #decoder: FrameDecoder;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #keepalive: ReturnType<typeof setInterval>;
  #controls: Buffer[] = [];
  #pong: number | undefined;
  #greeted = false;
  #congested = false;
  #flushing = false;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #heard = true;
  #silent = 0;
  #pings = 0;
  #ending: End | undefined;
  /** END was said by either side: what follows is the orderly close. */
  #over = false;
  #closed = false;
  #error: Error | undefined;

  constructor(stream: Duplex, handlers: ChannelHandlers, options: ChannelOptions = {}) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.#decoder = new FrameDecoder(
      options.maxMessage === undefined ? {} : { maxMessage: options.maxMessage },
    );
    this.#outbox = options.outbox ?? new Outbox();
    this.#inbox = options.inbox ?? new Inbox();
    this.#keepalive = setInterval(() => this.#checkLife(), options.keepalive ?? 15_000);
    stream.on("error", (error: Error) => {
      // A reset after the last word changes nothing.
      if (!this.#over) this.#error ??= error;
    });
    stream.on("close", () => this.#close());
    stream.on("end", () => stream.destroy());
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** True once producers should wait for `onDrain`. */
  get congested(): boolean {
    return this.#congested;
  }

  /** The first frame of this side. */
  greet(type: typeof FrameType.HELLO | typeof FrameType.WELCOME, body: Hello | Welcome): void {
    this.#control(encodeFrame(type, 0, encodeBody(body)));
  }

  /** The peer's greeting was accepted; it said how much it takes. */
  grant(window: Window): void {
    this.#outbox.window = window;
    this.#scheduleFlush();
  }

  /** Queues a message; the bytes must not be written to afterwards. */
  send(body: Uint8Array): void {
    if (this.#ending || this.#over || this.#closed) return;
    this.#outbox.append(body);
    if (this.#outbox.full) this.#congested = true;
    this.#scheduleFlush();
  }

  /** The oldest message that is still here was passed on. */
  passedOn(): void {
    this.#inbox.passOn();
    if (this.#inbox.owesMuch) this.#scheduleFlush();
    else if (this.#ackTimer === undefined && !this.#closed) {
      this.#ackTimer = setTimeout(() => {
        this.#ackTimer = undefined;
        if (this.#inbox.owes) this.#scheduleFlush();
      }, ACK_DELAY_MS);
    }
  }

  /** Sends what is queued, then END, then closes; whatever is stuck after a while is cut off. */
  end(end: End): void {
    if (this.#ending || this.#over || this.#closed) return;
    this.#ending = end;
    this.#lingerTimer = setTimeout(() => this.#stream.destroy(), LINGER_MS);
    this.#scheduleFlush();
  }

  /** Closes without a word. */
  destroy(error?: Error): void {
    if (!this.#over) this.#error ??= error;
    this.#stream.destroy();
  }

  #read(chunk: Buffer): void {
    this.#heard = true;
    if (this.#over || this.#error) return;
    try {
      this.#decoder.decode(chunk, (frame) => this.#take(frame));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #take(frame: Frame): void {
    if (this.#over) return;
    if (!this.#greeted && frame.type !== FrameType.END) {
      if (frame.type !== FrameType.HELLO && frame.type !== FrameType.WELCOME) {
        throw new RelayError("PROTOCOL", `Cannot take frame ${frame.type} before a greeting`);
      }
      this.#greeted = true;
      return this.#handlers.onGreeting(frame.body);
    }
    switch (frame.type) {
      case FrameType.MESSAGE:
        this.#inbox.receive(frame.seq, frame.body.length);
        // Nobody acts on messages any more once this side has decided to end the session.
        if (this.#ending) return this.passedOn();
        return this.#handlers.onMessage(frame.body);
      case FrameType.ACK:
        if (!this.#outbox.acknowledge(frame.seq)) {
          throw new RelayError("PROTOCOL", "Cannot take an ACK for what was not sent");
        }
        this.#scheduleFlush();
        return;
      case FrameType.PING:
        this.#pong = frame.seq;
        return this.#scheduleFlush();
      case FrameType.PONG:
        return;
      case FrameType.END: {
        const end = parseEnd(frame.body);
        this.#over = true;
        this.#stream.end();
        this.#lingerTimer ??= setTimeout(() => this.#stream.destroy(), LINGER_MS);
        return this.#handlers.onEnd(end);
      }
      default:
        throw new RelayError("PROTOCOL", `Cannot take frame ${frame.type} at this point`);
    }
  }

  /** Tells the peer what it did wrong, as far as it still listens. */
  #fail(error: Error): void {
    if (this.#closed || this.#error) return;
    this.#error = error;
    const end: End = error instanceof RelayError
      ? {
        code: error.code === "LIMIT_EXCEEDED" ? "LIMIT_EXCEEDED" : "PROTOCOL",
        message: error.message,
      }
      : { code: "INTERNAL", message: "Cannot go on with this session: an internal error" };
    this.#over = true;
    this.#stream.end(encodeFrame(FrameType.END, 0, encodeBody(end)));
    this.#lingerTimer ??= setTimeout(() => this.#stream.destroy(), LINGER_MS);
  }

  #control(frame: Buffer): void {
    this.#controls.push(frame);
    this.#scheduleFlush();
  }

  // After the microtasks of this turn: everything decided in one go leaves in one write.
  #scheduleFlush(): void {
    if (this.#flushing || this.#over || this.#closed) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#over || this.#closed) return;
    const frames = this.#controls;
    this.#controls = [];
    if (this.#inbox.owes) frames.push(encodeFrame(FrameType.ACK, this.#inbox.announce()));
    if (this.#pong !== undefined) frames.push(encodeFrame(FrameType.PONG, this.#pong));
    this.#pong = undefined;

    const batch = new Batch(this.#stream, frames);
    for (let entry = this.#outbox.next(); entry; entry = this.#outbox.next()) {
      batch.message(entry.seq, entry.body);
    }
    if (this.#ending && this.#outbox.drained) {
      this.#over = true;
      batch.add(encodeFrame(FrameType.END, 0, encodeBody(this.#ending)));
      batch.flush();
      this.#stream.end();
      return;
    }
    batch.flush();
    if (this.#congested && !this.#outbox.full) {
      this.#congested = false;
      this.#handlers.onDrain();
    }
  }

  #checkLife(): void {
    if (this.#heard) {
      this.#silent = 0;
      this.#heard = false;
      return;
    }
    // Intervals are counted, not seconds: a laptop that wakes up has missed one, not hundreds.
    if (++this.#silent >= SILENT_INTERVALS) {
      return this.destroy(new RelayError("UNREACHABLE", "The other end has stopped answering"));
    }
    this.#control(encodeFrame(FrameType.PING, ++this.#pings));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#keepalive);
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#lingerTimer);
    const silent = new RelayError("UNREACHABLE", "The connection was closed without a word");
    this.#handlers.onClose(this.#error ?? (this.#over ? undefined : silent));
  }
}

/** Joins frames into few writes without copying large bodies. */
class Batch {
  readonly #stream: Duplex;
  #frames: Buffer[];
  #bytes: number;

  constructor(stream: Duplex, frames: Buffer[]) {
    this.#stream = stream;
    this.#frames = frames;
    this.#bytes = frames.reduce((sum, { length }) => sum + length, 0);
  }

  add(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes >= BATCH_BYTES) this.flush();
  }

  message(seq: number, body: Uint8Array): void {
    if (body.length < BATCH_BYTES) return this.add(encodeFrame(FrameType.MESSAGE, seq, body));
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    writeHeader(header, 0, { type: FrameType.MESSAGE, seq, length: body.length });
    this.add(header);
    this.flush();
    this.#stream.write(body);
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const [only] = this.#frames;
    this.#stream.write(this.#frames.length === 1 ? only! : Buffer.concat(this.#frames));
    this.#frames = [];
    this.#bytes = 0;
  }
}
