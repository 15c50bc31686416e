/**
 * One session as the bridge sees it: opened, used, over. The supervisor in `bridge.ts` decides
 * what follows when it is over.
 */
import type { Buffer } from "node:buffer";
import type { AuthorityClient, Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import { Channel, type ChannelHandlers } from "../wire/channel.ts";
import { FrameType } from "../wire/frame.ts";
import { type End, parseWelcome } from "../wire/handshake.ts";
import { DEFAULT_WINDOW } from "../wire/outbox.ts";
import { dialSession } from "./dial.ts";
import { SessionEnded } from "./failure.ts";

/** Milliseconds that an agent may take to start the server and answer HELLO. */
const WELCOME_MS = 15_000;

export interface SessionOptions {
  readonly app: string;
  readonly proxy: string;
  /** Name and version of this program. */
  readonly client: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The next message of the server; `passedOn` must follow for each. */
  readonly onMessage: (body: Buffer, session: Session) => void;
}

export class Session implements ChannelHandlers {
  readonly #options: SessionOptions;
  readonly #channel: Channel;
  readonly #id: string;
  readonly #welcome = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<RelayError>();
  #end: End | undefined;

  private constructor(options: SessionOptions, id: string, connect: Connect) {
    this.#options = options;
    this.#id = id;
    this.#channel = connect(this);
  }

  /** Opens a session; rejects with why there is none. */
  static async open(authority: AuthorityClient, options: SessionOptions): Promise<Session> {
    const { grant, stream } = await dialSession(authority, options);
    const { app, client, clock } = options;
    const session = new Session(
      options,
      grant.session,
      (handlers) => new Channel(stream, handlers),
    );
    const channel = session.#channel;
    channel.greet(FrameType.HELLO, { session: grant.session, app, client, window: DEFAULT_WINDOW });
    const opened = new AbortController();
    after(clock, WELCOME_MS, opened.signal, () => {
      const message = `App "${app}" did not start within ${WELCOME_MS / 1000} s`;
      channel.destroy(new RelayError("TIMEOUT", message));
    });
    try {
      await Promise.race([
        session.#welcome.promise,
        session.over.then((reason) => Promise.reject(reason)),
      ]);
    } finally {
      opened.abort();
    }
    return session;
  }

  /** Resolves with the reason once the session is over. */
  get over(): Promise<RelayError> {
    return this.#over.promise;
  }

  get congested(): boolean {
    return this.#channel.congested;
  }

  room(): Promise<void> {
    return this.#channel.room();
  }

  send(line: Uint8Array): void {
    this.#channel.send(line);
  }

  passedOn(): void {
    this.#channel.passedOn();
  }

  /** Says goodbye; `over` follows. */
  close(): void {
    this.#channel.end({ code: "CLOSED", message: "The client has gone" });
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#channel.destroy();
  }

  onGreeting(body: Buffer, type: number): void {
    if (type !== FrameType.WELCOME) throw new RelayError("PROTOCOL", "An agent answers WELCOME");
    const welcome = parseWelcome(body);
    if (welcome.session !== this.#id) {
      throw new RelayError("PROTOCOL", "The agent has opened another session than the one asked");
    }
    this.#channel.grant(welcome.window);
    this.#welcome.resolve();
  }

  onMessage(body: Buffer): void {
    this.#options.onMessage(body, this);
  }

  onEnd(end: End): void {
    this.#end = end;
  }

  onClose(error: Error | undefined): void {
    const { app } = this.#options;
    if (this.#end) return this.#over.resolve(new SessionEnded(this.#end));
    if (error instanceof RelayError && error.code !== "UNREACHABLE") {
      return this.#over.resolve(error);
    }
    this.#over.resolve(
      new RelayError("UNREACHABLE", `The connection to app "${app}" was lost`, {
        hint: "Start this MCP server again in your client",
        cause: error,
      }),
    );
  }
}

type Connect = (handlers: ChannelHandlers) => Channel;
