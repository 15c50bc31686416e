/**
 * What an MCP client starts instead of the server: reads its messages from stdin, carries them to
 * the agent, writes what comes back to stdout, and nothing else. It decides nothing. Whatever
 * fails on the way, every request gets an answer; none is ever left waiting.
 */
import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { type Clock, systemClock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import type { RelayError } from "../error.ts";
import { LineSplitter } from "../wire/line_splitter.ts";
import { peekMessage } from "../wire/peek.ts";
import { ClientSide } from "./client_side.ts";
import { type Failure, failureOf, failureText } from "./failure.ts";
import type { BridgeOptions } from "./options.ts";
import { Opener } from "./opener.ts";
import type { Session } from "./session.ts";

/** Messages that may wait while a session is being opened; beyond it stdin is not read. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Milliseconds for answers still under way once the client has closed stdin. */
const DRAIN_MS = 30_000;

/** Milliseconds for the goodbye to the agent. */
const GOODBYE_MS = 1_000;

/** Runs a bridge until stdin ends or it is told to stop; resolves with the exit code. */
export function runBridge(options: BridgeOptions): Promise<number> {
  return new Bridge(options).run();
}

type State =
  /** No session; the next request opens one. */
  | { readonly kind: "idle" }
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly session: Session }
  | { readonly kind: "stopping" };

class Bridge {
  readonly #options: BridgeOptions;
  readonly #clock: Clock;
  readonly #client: ClientSide;
  readonly #opener: Opener;
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<number>();
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #state: State = { kind: "idle" };
  #failure: Failure | undefined;
  /** The client has sent `initialize` in the session that is open, or was lost. */
  #initialized = false;
  #drained: (() => void) | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#client = new ClientSide(options.stdout);
    this.#clock = options.options?.clock ?? systemClock;
    this.#opener = new Opener(options, {
      clock: this.#clock,
      signal: this.#stop.signal,
      onMessage: (line, session) => this.#deliver(line, session),
    });
  }

  async run(): Promise<number> {
    const { signal, stdin, stdout } = this.#options;
    const onAbort = () => this.#done.resolve(0);
    signal.addEventListener("abort", onAbort);
    // A client that no longer reads has gone.
    stdout.on("error", onAbort);
    stdin.on("error", onAbort);
    this.#open();
    this.#read(stdin);
    if (signal.aborted) onAbort();
    const code = await this.#done.promise;
    await this.#leave();
    signal.removeEventListener("abort", onAbort);
    return code;
  }

  #read(stdin: Readable): void {
    const lines = new LineSplitter({
      onLine: (line) => this.#take(line),
      onOversized: (excerpt) => {
        this.#options.log.warn("Refused a message that is too large", { bytes: excerpt.bytes });
        this.#client.refuseOversized(excerpt);
      },
    });
    stdin.on("data", (chunk: Buffer) => {
      lines.push(chunk);
      this.#holdBack(stdin);
    });
    stdin.once("end", () => {
      lines.end();
      void this.#drain();
    });
  }

  #take(line: Buffer): void {
    if (line.length === 0) return;
    const { id, method } = peekMessage(line);
    const request = id !== undefined && method !== undefined;
    const state = this.#state;
    if (request && this.#client.full) {
      return this.#client.fail(id, "[MCP_REQUEST_FAILED] Too many requests wait for an answer.");
    }
    switch (state.kind) {
      case "open":
        this.#send(state.session, line, id, method);
        return;
      case "idle":
        if (!request) {
          return this.#options.log.debug("Dropped a message: there is no session");
        }
        if (!this.#mayReopen(method)) {
          return this.#client.fail(id, failureText(this.#failure ?? GONE));
        }
        this.#wait(line);
        return this.#open();
      case "opening":
        return this.#wait(line);
      case "stopping":
        return;
    }
  }

  #send(session: Session, line: Buffer, id: string | undefined, method: string | undefined): void {
    if (id !== undefined && method !== undefined) {
      this.#client.expect(id, method, line);
      if (method === "initialize") this.#initialized = true;
    } else if (method === "notifications/cancelled") {
      this.#client.withdraw(line);
    }
    session.send(line);
  }

  #wait(line: Buffer): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  #takeWaiting(): Buffer[] {
    this.#waitingBytes = 0;
    return this.#waiting.splice(0);
  }

  /**
   * A lost session may be replaced without a word only where the server remembers nothing: when
   * the client has not initialised it, or is about to do so anew.
   */
  #mayReopen(method: string): boolean {
    return !this.#initialized || method === "initialize" || method === "server/discover";
  }

  /** Stops reading from the client while nothing can be passed on. */
  #holdBack(stdin: Readable): void {
    const state = this.#state;
    if (state.kind === "open" && state.session.congested) {
      stdin.pause();
      void state.session.room().then(() => stdin.resume());
    } else if (state.kind === "opening" && this.#waitingBytes > MAX_WAITING_BYTES) {
      stdin.pause();
    }
  }

  #open(): void {
    this.#state = { kind: "opening" };
    this.#initialized = false;
    this.#opener.open().then(
      (session) => this.#opened(session),
      (error: unknown) => this.#failed(error),
    );
  }

  #opened(session: Session): void {
    const { app, log, stdin } = this.#options;
    if (this.#state.kind === "stopping") return session.destroy();
    log.debug("Connected", { app });
    this.#state = { kind: "open", session };
    void session.over.then((reason) => this.#lost(session, reason));
    for (const line of this.#takeWaiting()) {
      const { id, method } = peekMessage(line);
      this.#send(session, line, id, method);
    }
    stdin.resume();
    this.#holdBack(stdin);
    this.#drained?.();
  }

  /** There is no session: whoever waits for one hears why. */
  #failed(error: unknown): void {
    if (this.#state.kind === "stopping") return;
    const failure = this.#note(error);
    this.#state = { kind: "idle" };
    for (const line of this.#takeWaiting()) {
      const { id, method } = peekMessage(line);
      if (id !== undefined && method !== undefined) this.#client.fail(id, failureText(failure));
    }
    this.#options.stdin.resume();
    this.#afterSession();
  }

  /** The session is over: what it was asked and did not answer stays open for ever. */
  #lost(session: Session, reason: RelayError): void {
    if (this.#state.kind !== "open" || this.#state.session !== session) return;
    const failure = this.#note(reason);
    this.#state = { kind: "idle" };
    const text = `${failureText(failure)} (Whether the request had an effect is unknown.)`;
    this.#client.failAll(text);
    this.#options.stdin.resume();
    this.#afterSession();
  }

  #afterSession(): void {
    this.#drained?.();
    if (this.#options.options?.reconnect === false) this.#done.resolve(1);
  }

  #note(error: unknown): Failure {
    const { log } = this.#options;
    const failure = failureOf(error, this.#options);
    const cause = error instanceof Error ? error.cause : undefined;
    log.warn(failure.sentence, {
      code: failure.prefix,
      ...(failure.hint !== undefined && { hint: failure.hint }),
      ...(cause instanceof Error && { cause: cause.message }),
    });
    if (!(error instanceof Error && "code" in error)) log.debug(String(error));
    return this.#failure = failure;
  }

  /** A message of the server, for the client. */
  #deliver(line: Buffer, session: Session): void {
    this.#client.deliver(line);
    if (this.#client.congested) void this.#client.room().then(() => session.passedOn());
    else session.passedOn();
    if (!this.#client.waits) this.#drained?.();
  }

  /** The client has closed stdin: what it has asked is still answered, within bounds. */
  async #drain(): Promise<void> {
    const busy = () =>
      this.#state.kind === "opening" && this.#waiting.length > 0 || this.#client.waits;
    const finished = this.#after(DRAIN_MS, () => this.#done.resolve(0));
    while (busy() && this.#state.kind !== "stopping") {
      await new Promise<void>((resolve) => this.#drained = resolve);
    }
    finished.abort();
    this.#done.resolve(0);
  }

  async #leave(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: "stopping" };
    this.#stop.abort();
    this.#drained?.();
    const { stdin } = this.#options;
    stdin.removeAllListeners("data");
    stdin.pause();
    this.#client.flush();
    if (state.kind !== "open") return;
    const { session } = state;
    session.close();
    const gone = this.#after(GOODBYE_MS, () => session.destroy());
    await session.over;
    gone.abort();
  }

  /** Calls back after a while, unless what it returns is aborted before. */
  #after(milliseconds: number, act: () => void): AbortController {
    const enough = new AbortController();
    after(this.#clock, milliseconds, enough.signal, act);
    return enough;
  }
}

const GONE: Failure = {
  prefix: "MCP_NETWORK_UNAVAILABLE",
  sentence: "The session is over",
  hint: "Start this MCP server again in your client",
};
