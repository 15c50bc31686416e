/**
 * One session as the bridge sees it: opened, used, over. It may outlive its connection: then it is
 * lost until it is resumed over another one. The supervisor in `bridge.ts` decides what follows.
 */
import type { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { AuthorityClient, Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import { Channel, type ChannelHandlers } from "../wire/channel.ts";
import { Exchange } from "../wire/exchange.ts";
import { FrameType } from "../wire/frame.ts";
import {
  type End,
  parseWelcome,
  type Resumable,
  type Resumption,
  type Welcome,
} from "../wire/handshake.ts";
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
  /** Whether the session may go on when its connection is lost. */
  readonly resumes: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The next message of the server; `passedOn` must follow for each. */
  readonly onMessage: (body: Buffer, session: Session) => void;
  /** The message of this number may be sent again in another session. */
  readonly onRepeatable?: (seq: number, session: Session) => void;
  /** The connection is lost, and the session is not; `resume` or `abandon` is to follow. */
  readonly onLost: (session: Session, reason: RelayError) => void;
  /** Whether the client waits for an answer: then a silent connection is given up sooner. */
  readonly awaits: () => boolean;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #exchange = new Exchange();
  readonly #over = Promise.withResolvers<RelayError>();
  /** As the agent knows it, from its first certificate on. */
  #id: string | undefined;
  /** Who has it, by SPIFFE ID. */
  #agent: string | undefined;
  #resumable: Resumable | undefined;
  #notAfter = new Date(0);
  #closing = false;
  #epoch = 0;
  /** Gives up the connection on which WELCOME is awaited: another one takes its place. */
  #supersede = () => {};

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Opens a session; rejects with why there is none. */
  static async open(authority: AuthorityClient, options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    await session.#connect(authority, () => options.resumes ? {} : undefined);
    return session;
  }

  /**
   * Goes on over another connection, opened with the authority's leave of now. The one that there
   * may still be is used until the other one stands. Rejects with why it did not work.
   */
  async resume(authority: AuthorityClient): Promise<void> {
    await this.#connect(authority, () => ({
      session: this.#id!,
      secret: this.#resumable!.secret,
      received: this.#exchange.received,
      epoch: ++this.#epoch,
    }));
  }

  /** Resolves with the reason once the session is over. */
  get over(): Promise<RelayError> {
    return this.#over.promise;
  }

  get connected(): boolean {
    return this.#exchange.connected;
  }

  /** The end of the certificate, which the session cannot outlive. */
  get notAfter(): Date {
    return this.#notAfter;
  }

  /** For how many milliseconds the agent keeps the session while it is lost. */
  get kept(): number {
    return this.#resumable?.timeout ?? 0;
  }

  get congested(): boolean {
    return this.#exchange.congested;
  }

  room(): Promise<void> {
    return this.#exchange.room();
  }

  /** Returns the message's number. */
  send(line: Uint8Array): number {
    this.#exchange.send(line);
    return this.#exchange.sent;
  }

  passedOn(): void {
    this.#exchange.passedOn();
  }

  /** Gives the connection up, as if it had been lost. */
  lose(reason: RelayError): void {
    this.#exchange.disconnect();
    this.#lost(reason);
  }

  /** Gives a lost session up. */
  abandon(reason: RelayError): void {
    this.#exchange.disconnect();
    this.#end(reason);
  }

  /** Says goodbye; `over` follows. */
  close(): void {
    this.#closing = true;
    const end: End = { code: "CLOSED", message: "The client has gone" };
    if (this.connected) this.#exchange.end(end);
    else this.#end(new SessionEnded(end));
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#closing = true;
    this.#exchange.destroy();
  }

  async #connect(
    authority: AuthorityClient,
    claim: () => Partial<Resumption> | undefined,
  ): Promise<void> {
    const { app, client, clock } = this.#options;
    const { grant, stream } = await dialSession(authority, {
      ...this.#options,
      agent: this.#agent,
    });
    // What is claimed to have come must not be added to any more, on no connection.
    this.#supersede();
    this.#exchange.disconnect();
    const resume = claim();
    const greeted = Promise.withResolvers<void>();
    const channel = new Channel(
      stream,
      this.#handlers(greeted, (welcome, handlers) => {
        this.#check(welcome, resume?.session ?? grant.session);
        this.#id = welcome.session;
        this.#agent = grant.agent;
        this.#resumable = resume && welcome.resume;
        this.#notAfter = new Date(new X509Certificate(grant.certificate).validTo);
        const { received = 0 } = welcome.resume ?? {};
        this.#supersede = () => {};
        this.#exchange.connect(channel, handlers, { window: welcome.window, received });
        this.#exchange.confirm();
      }),
    );
    this.#supersede = () => {
      channel.abandon();
      greeted.reject(new RelayError("UNREACHABLE", "Another connection has taken its place"));
    };
    channel.greet(FrameType.HELLO, {
      session: grant.session,
      app,
      client,
      window: DEFAULT_WINDOW,
      ...(resume && { resume }),
    });
    const opened = new AbortController();
    after(clock, WELCOME_MS, opened.signal, () => {
      const message = `App "${app}" did not start within ${WELCOME_MS / 1000} s`;
      channel.destroy(new RelayError("TIMEOUT", message));
    });
    try {
      await greeted.promise;
    } finally {
      opened.abort();
    }
  }

  #handlers(
    greeted: PromiseWithResolvers<void>,
    onWelcome: (welcome: Welcome, handlers: ChannelHandlers) => void,
  ): ChannelHandlers {
    let welcomed = false;
    let end: End | undefined;
    const handlers: ChannelHandlers = {
      onGreeting: (body, type) => {
        if (type !== FrameType.WELCOME) {
          throw new RelayError("PROTOCOL", "An agent answers WELCOME");
        }
        onWelcome(parseWelcome(body), handlers);
        welcomed = true;
        greeted.resolve();
      },
      onMessage: (body) => this.#options.onMessage(body, this),
      awaits: this.#options.awaits,
      onRepeatable: (seq) => this.#options.onRepeatable?.(seq, this),
      onEnd: (said) => void (end = said),
      onClose: (error) => {
        const reason = this.#reason(end, error);
        if (!welcomed) return greeted.reject(reason);
        if (end || reason.code !== "UNREACHABLE") return this.#end(reason);
        this.#exchange.disconnect();
        this.#lost(reason);
      },
    };
    return handlers;
  }

  #check({ session }: Welcome, expected: string): void {
    if (session === expected) return;
    if (this.#id !== undefined) {
      // An agent that knows nothing of resuming has opened another one.
      throw new SessionEnded({ code: "SESSION_UNKNOWN", message: "The session is not known" });
    }
    throw new RelayError("PROTOCOL", "The agent has opened another session than the one asked");
  }

  #lost(reason: RelayError): void {
    if (this.#closing || this.#resumable === undefined) return this.#end(reason);
    this.#options.onLost(this, reason);
  }

  #end(reason: RelayError): void {
    this.#exchange.close();
    this.#over.resolve(reason);
  }

  #reason(end: End | undefined, error: Error | undefined): RelayError {
    const { app } = this.#options;
    if (end) return new SessionEnded(end);
    if (error instanceof RelayError && error.code !== "UNREACHABLE") return error;
    return new RelayError("UNREACHABLE", `The connection to app "${app}" was lost`, {
      hint: "Check the network, and that the cluster is up",
      cause: error,
    });
  }
}
