/**
 * One connection of a session: frames over a TLS stream. Both ends count and acknowledge messages,
 * and the acknowledgement is also the flow control: a message is acknowledged when it was passed
 * on, and a sender stops at the window. So the stream is always read, acknowledgements are never
 * stuck behind messages, and neither end holds more than its window.
 *
 * It leaves to its owner what messages mean, and which greeting is acceptable.
 */
import type { Buffer } from "node:buffer";
import process from "node:process";
import type { Duplex } from "node:stream";
import { RelayError } from "../error.ts";
import { Batch } from "./batch.ts";
import { encodeFrame, encodeHeader, type Frame, FrameDecoder, FrameType } from "./frame.ts";
import { encodeBody, type End, type Hello, parseEnd, type Welcome } from "./handshake.ts";
import { Inbox } from "./inbox.ts";
import { Outbox, type Window } from "./outbox.ts";

/** An acknowledgement waits this long for other bytes to travel with. */
const ACK_DELAY_MS = 20;

/** How long a last word may take to get out before the connection is cut. */
const LINGER_MS = 10_000;

/**
 * Bytes that may wait in the stream before it is left alone until it has drained. Windows alone do
 * not bound them: a peer can acknowledge what it never reads, and ask for any number of PONGs.
 */
export const MAX_UNWRITTEN_BYTES = 1024 * 1024;

/**
 * Milliseconds between looks for signs of life. Whoever waits for something looks each time: clients
 * give up after a minute, and are to hear before that what has happened.
 */
const LOOK_MS = 5_000;

/** Where nobody waits one look in so many counts, so that idle sessions cost little. */
const IDLE_LOOKS = 3;

/** This many silent intervals, each with a PING of ours unanswered, mean that the peer is gone. */
const SILENT_INTERVALS = 3;

/** Marks that may wait for a peer that does not read; those beyond it are not made. */
const MAX_CONTROLS = 1024;

export interface ChannelHandlers {
  /** The peer's HELLO (at an agent) or WELCOME (at a bridge): the first frame of all. */
  onGreeting(body: Buffer, type: number): void;
  /** The next message in order. Call `passedOn()` once for each, in order. */
  onMessage(body: Buffer): void;
  /** Whether an answer of the peer is waited for; what it has not acknowledged always is. */
  awaits?(): boolean;
  /** A message of this side is a call that may be made again in another session. */
  onRepeatable?(seq: number): void;
  /** The peer has acted on the greeting of this side. */
  onConfirmed?(): void;
  /** The peer ended the session and said why. */
  onEnd(end: End): void;
  /** Nothing comes after this; `error` is absent when either side had said END. */
  onClose(error: Error | undefined): void;
}

/** What belongs to a session rather than to its connection. */
export interface Binding {
  readonly handlers: ChannelHandlers;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
}

export interface ChannelOptions {
  readonly outbox?: Outbox;
  readonly inbox?: Inbox;
  readonly maxMessage?: number;
  /** Milliseconds between looks for signs of life (default 5,000). */
  readonly keepalive?: number;
}

export class Channel {
  readonly #stream: Duplex;
  #handlers: ChannelHandlers;
  readonly #batch: Batch;
  readonly #decoder: FrameDecoder;
  #outbox: Outbox;
  #inbox: Inbox;
  readonly #keepalive: ReturnType<typeof setInterval>;
  readonly #controls: Buffer[] = [];
  #pong: number | undefined;
  /** The peer has greeted. */
  #greeted = false;
  /** This side has. */
  #spoken = false;
  #confirmed = false;
  #waiting: (() => void)[] = [];
  #flushing = false;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #heard = true;
  #silent = 0;
  #looks = 0;
  #pings = 0;
  #ending: End | undefined;
  /** END was said by either side: what follows is the orderly close. */
  #over = false;
  #closed = false;
  #error: Error | undefined;

  constructor(stream: Duplex, handlers: ChannelHandlers, options: ChannelOptions = {}) {
    this.#stream = stream;
    this.#batch = new Batch(stream);
    this.#handlers = handlers;
    this.#decoder = new FrameDecoder(
      options.maxMessage === undefined ? {} : { maxMessage: options.maxMessage },
    );
    this.#outbox = options.outbox ?? new Outbox();
    this.#inbox = options.inbox ?? new Inbox();
    this.#keepalive = setInterval(() => this.#checkLife(), options.keepalive ?? LOOK_MS);
    stream.on("error", (error: Error) => {
      // A reset after the last word changes nothing.
      if (!this.#over) this.#error ??= error;
    });
    stream.on("close", () => this.#close());
    stream.on("end", () => stream.destroy());
    stream.on("drain", () => this.#scheduleFlush());
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    // It may have been paused until somebody could listen.
    stream.resume();
  }

  /** True once producers should wait for `room()`. */
  get congested(): boolean {
    return this.#outbox.full && !this.#closed;
  }

  /** Bytes of messages that are kept here, of both directions. */
  get held(): number {
    return this.#outbox.bytes + this.#inbox.bytes;
  }

  /** Resolves when the window has room, or nothing can be sent any more. */
  room(): Promise<void> {
    if (!this.congested) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Gives the connection to a session, which may have had others before; nothing may have been sent
   * or received but greetings.
   */
  bind({ handlers, outbox, inbox }: Binding): void {
    this.#handlers = handlers;
    this.#outbox = outbox;
    this.#inbox = inbox;
  }

  /** Acknowledges now, be it nothing new: the peer's greeting has come, and all before it counts. */
  confirm(): void {
    this.#inbox.confirm();
    this.#scheduleFlush();
  }

  /** The first frame of this side. */
  greet(type: typeof FrameType.HELLO | typeof FrameType.WELCOME, body: Hello | Welcome): void {
    this.#spoken = true;
    this.#control(encodeFrame(type, 0, encodeBody(body)));
  }

  /** The peer's greeting was accepted; it said how much it takes. */
  grant(window: Window): void {
    this.#outbox.window = window;
    this.#scheduleFlush();
  }

  /** Queues a message; the bytes must not be written to afterwards. */
  send(body: Uint8Array, about?: unknown): void {
    if (this.#ending || this.#over || this.#closed) return;
    this.#outbox.append(body, about);
    this.#scheduleFlush();
  }

  /** Tells the peer that its message of this number may be sent again in another session. */
  markRepeatable(seq: number): void {
    if (this.#controls.length < MAX_CONTROLS) {
      this.#control(encodeFrame(FrameType.REPEATABLE, seq));
    }
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

  /**
   * Sends what is queued (or, to `discard`, nothing more of it), then END, then closes; whatever
   * is stuck after a while is cut off.
   */
  end(end: End, options: { discard?: boolean } = {}): void {
    if (this.#ending || this.#over || this.#closed) return;
    this.#ending = end;
    if (options.discard || !this.#spoken) this.#outbox.discardWaiting();
    this.#lingerTimer = setTimeout(() => this.#stream.destroy(), LINGER_MS);
    this.#scheduleFlush();
  }

  /** Closes without a word. */
  destroy(error?: Error): void {
    if (!this.#over) this.#error ??= error;
    this.#stream.destroy();
  }

  /** Cuts the connection for good: nothing of it is heard any more, not even its end. */
  abandon(): void {
    if (this.#closed) return;
    this.#shut();
    this.#stream.destroy();
  }

  #read(chunk: Buffer): void {
    this.#heard = true;
    if (this.#closed || this.#over || this.#error) return;
    try {
      this.#decoder.decode(chunk, (frame) => this.#take(frame));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #take(frame: Frame): void {
    if (this.#over || this.#closed) return;
    // Whoever takes long to greet still answers who has greeted.
    const early = frame.type === FrameType.END ||
      (frame.type === FrameType.PONG && this.#spoken);
    if (!this.#greeted && !early) {
      if (frame.type !== FrameType.HELLO && frame.type !== FrameType.WELCOME) {
        throw new RelayError("PROTOCOL", `Cannot take frame ${frame.type} before a greeting`);
      }
      this.#greeted = true;
      return this.#handlers.onGreeting(frame.body, frame.type);
    }
    switch (frame.type) {
      case FrameType.MESSAGE:
        this.#inbox.receive(frame.seq, frame.body.length);
        // Nobody acts on messages any more once this side has decided to end the session.
        if (this.#ending) return this.passedOn();
        this.#confirm();
        return this.#handlers.onMessage(frame.body);
      case FrameType.ACK:
        if (!this.#outbox.acknowledge(frame.seq)) {
          throw new RelayError("PROTOCOL", "Cannot take an ACK for what was not sent");
        }
        this.#confirm();
        this.#scheduleFlush();
        return;
      case FrameType.PING:
        this.#pong = frame.seq;
        return this.#scheduleFlush();
      case FrameType.PONG:
        return;
      case FrameType.REPEATABLE:
        return this.#handlers.onRepeatable?.(frame.seq);
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

  #confirm(): void {
    if (this.#confirmed) return;
    this.#confirmed = true;
    this.#handlers.onConfirmed?.();
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
    if (this.#over || this.#closed || this.#stuck) return;
    const batch = this.#batch;
    for (const frame of this.#controls.splice(0)) batch.add(frame);
    if (this.#pong !== undefined) batch.add(encodeFrame(FrameType.PONG, this.#pong));
    this.#pong = undefined;
    // A session that goes on may owe something before its greeting is ready.
    if (!this.#spoken && !this.#ending) return batch.flush();
    if (this.#inbox.owes) batch.add(encodeFrame(FrameType.ACK, this.#inbox.announce()));
    while (!this.#stuck) {
      const entry = this.#outbox.next();
      if (entry === undefined) break;
      const { seq, body } = entry;
      batch.add(encodeHeader({ type: FrameType.MESSAGE, seq, length: body.length }));
      if (body.length > 0) batch.add(body);
    }
    if (this.#ending && this.#outbox.drained) {
      this.#over = true;
      batch.add(encodeFrame(FrameType.END, 0, encodeBody(this.#ending)));
      batch.flush();
      this.#stream.end();
      return;
    }
    batch.flush();
    if (!this.#outbox.full) this.#wake();
  }

  /** The peer does not read; "drain" follows once it does. */
  get #stuck(): boolean {
    return this.#stream.writableLength >= MAX_UNWRITTEN_BYTES;
  }

  #checkLife(): void {
    if (this.#heard) {
      this.#silent = 0;
      this.#looks = 0;
      this.#heard = false;
      return;
    }
    const awaits = this.#outbox.bytes > 0 || this.#handlers.awaits?.();
    if (!awaits && ++this.#looks % IDLE_LOOKS !== 0) return;
    // Intervals are counted, not seconds: a laptop that wakes up has missed one, not hundreds.
    if (++this.#silent >= SILENT_INTERVALS) {
      return this.destroy(new RelayError("UNREACHABLE", "The other end has stopped answering"));
    }
    this.#control(encodeFrame(FrameType.PING, ++this.#pings));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #shut(): void {
    this.#closed = true;
    this.#wake();
    clearInterval(this.#keepalive);
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#lingerTimer);
  }

  #close(): void {
    if (this.#closed) return;
    this.#shut();
    const silent = new RelayError("UNREACHABLE", "The connection was closed without a word");
    this.#handlers.onClose(this.#error ?? (this.#over ? undefined : silent));
  }
}
