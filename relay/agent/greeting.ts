import type { Buffer } from "node:buffer";
import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import type { Channel, ChannelHandlers } from "../wire/channel.ts";
import { FrameType } from "../wire/frame.ts";
import { type End, type Hello, parseHello } from "../wire/handshake.ts";

/** How long a bridge may take to say what it wants once it is connected. */
const HELLO_MS = 10_000;

/** What came first on a connection: a HELLO, or the reason why there is none. */
export type Greeted =
  | { readonly kind: "hello"; readonly hello: Hello }
  | { readonly kind: "none"; readonly end: End; readonly because: string };

/** The beginning of a connection, until it is known which session it is for. */
export class Greeting implements ChannelHandlers {
  readonly #greeted = Promise.withResolvers<Greeted>();
  readonly #known = new AbortController();
  /** Why there is nobody any more: it may come in one piece with a HELLO. */
  #gone: Extract<Greeted, { kind: "none" }> | undefined;

  /** Resolves with what came first; the channel's next owner is to be bound then. */
  async of(channel: Channel, clock: Clock): Promise<Greeted> {
    after(clock, HELLO_MS, this.#known.signal, () => {
      this.#none({ code: "PROTOCOL", message: "No HELLO came in time" });
    });
    const greeted = await this.#greeted.promise;
    this.#known.abort();
    if (greeted.kind === "none") channel.end(greeted.end);
    return this.#gone ?? greeted;
  }

  onGreeting(body: Buffer, type: number): void {
    if (type !== FrameType.HELLO) throw new RelayError("PROTOCOL", "A session begins with HELLO");
    this.#greeted.resolve({ kind: "hello", hello: parseHello(body) });
  }

  onMessage(): void {
    throw new RelayError("PROTOCOL", "Cannot take a message before WELCOME was sent");
  }

  onEnd(end: End): void {
    this.#gone = this.#none(end, "the client has ended the session");
  }

  onClose(error: Error | undefined): void {
    this.#gone = this.#none(
      { code: "CLOSED", message: "The connection was closed" },
      error?.message,
    );
  }

  #none(end: End, because: string = end.message) {
    const none = { kind: "none", end, because } as const;
    this.#greeted.resolve(none);
    return none;
  }
}
