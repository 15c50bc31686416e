/**
 * The control link between an agent and a relay: one JSON object on each line, over TLS in which both
 * have shown a certificate of a host. It carries no session.
 */
import type { Buffer } from "node:buffer";
import type { TLSSocket } from "node:tls";
import type { Offer } from "./data_opening.ts";

export type ControlMessage =
  /** The relay would like to have so many more connections. */
  | { readonly offers: readonly Offer[] }
  /** The relay takes no new clients any more. */
  | { readonly drain: true }
  /** Somebody is there; both say it. */
  | { readonly ping: true };

export interface ControlHandlers {
  onMessage(message: ControlMessage): void;
  onClose(): void;
}

const PING_MS = 10_000;
/** Nothing for so long, and the other end is gone. */
const SILENCE_MS = 35_000;
const MAX_LINE_CHARS = 64 * 1024;

export class ControlLink {
  readonly #socket: TLSSocket;
  readonly #handlers: ControlHandlers;
  readonly #pings: ReturnType<typeof setInterval>;
  #text = "";
  #closed = false;

  constructor(socket: TLSSocket, handlers: ControlHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.setEncoding("utf8");
    socket.setTimeout(SILENCE_MS, () => this.close());
    socket.on("data", (text: string | Buffer) => this.#take(String(text)));
    socket.on("error", () => this.close());
    socket.once("close", () => this.close());
    socket.once("end", () => this.close());
    this.#pings = setInterval(() => this.send({ ping: true }), PING_MS);
    socket.resume();
  }

  send(message: ControlMessage): void {
    // What is said is little, and bounded by whoever says it; a link that takes nothing times out.
    if (!this.#closed) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pings);
    this.#socket.destroy();
    this.#handlers.onClose();
  }

  #take(text: string): void {
    this.#text += text;
    for (let end; (end = this.#text.indexOf("\n")) >= 0;) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      const message = parse(line);
      if (message === undefined) return this.close();
      this.#handlers.onMessage(message);
      if (this.#closed) return;
    }
    if (this.#text.length > MAX_LINE_CHARS) this.close();
  }
}

const ID = /^[0-9a-f]{32}$/;
const SECRET = /^[0-9a-f]{64}$/;

/** Members that are not known are ignored, so that either side may add some. */
function parse(line: string): ControlMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { offers, drain } = value as { offers?: unknown; drain?: unknown };
  if (Array.isArray(offers)) return offers.every(isOffer) ? { offers } : undefined;
  return drain === true ? { drain } : { ping: true };
}

function isOffer(value: unknown): value is Offer {
  const { id, secret } = (value ?? {}) as Partial<Offer>;
  return ID.test(String(id)) && SECRET.test(String(secret));
}
