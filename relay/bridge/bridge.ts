/**
 * What an MCP client starts instead of the server: reads its messages from stdin, carries them to
 * the agent, writes what comes back to stdout, and nothing else. It decides nothing. Whatever
 * fails on the way, every request gets an answer; none is ever left waiting.
 */
import type { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import {
  type AuthorityClient,
  checkIdentity,
  connectAuthority,
  type ConnectOptions,
  type IdentityFile,
  type Log,
  readIdentityFile,
} from "../../identity/mod.ts";
import type { RelayError } from "../error.ts";
import { excerptId } from "../wire/excerpt.ts";
import { LineSplitter } from "../wire/line_splitter.ts";
import { LineWriter } from "../wire/line_writer.ts";
import { peekMessage } from "../wire/peek.ts";
import { Queue } from "../wire/queue.ts";
import { errorReply } from "../wire/refusal.ts";
import { type Failure, failureOf, failureText } from "./failure.ts";
import { Session } from "./session.ts";

/** Messages that may wait while a session is being opened; beyond it stdin is not read. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Requests in flight; the gate at the other end allows fewer. */
const MAX_PENDING = 16_384;

/** Milliseconds for answers still under way once the client has closed stdin. */
const DRAIN_MS = 30_000;

/** Milliseconds for the goodbye to the agent. */
const GOODBYE_MS = 1_000;

/** Milliseconds for one call to the authority. */
const AUTHORITY_MS = 15_000;

export interface BridgeOptions {
  readonly identity: IdentityFile;
  /** Where it was read from, and is read again for a later session. */
  readonly identityPath: string;
  /** `host:port` of the cluster's public port. */
  readonly proxy: string;
  readonly app: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly log: Log;
  /** Ends the bridge. */
  readonly signal: AbortSignal;
  readonly options?: BridgeSettings;
}

export interface BridgeSettings {
  /** Open a new session when one was lost (default true); otherwise the bridge ends with it. */
  readonly reconnect?: boolean;
  /** Name and version of the program, for the agent's audit log. */
  readonly client?: string;
  readonly connectAuthority?: (options: ConnectOptions) => AuthorityClient;
}

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
  readonly #writer: LineWriter;
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<number>();
  readonly #waiting = new Queue<Buffer>();
  #waitingBytes = 0;
  /** Requests without an answer, by their id as JSON text. */
  readonly #pending = new Set<string>();
  #state: State = { kind: "idle" };
  #failure: Failure | undefined;
  /** The client has sent `initialize` in the session that is open, or was lost. */
  #initialized = false;
  /** The identity that was used last. */
  #identity: IdentityFile | undefined;
  #drained: (() => void) | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#writer = new LineWriter(options.stdout);
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
      onOversized: (excerpt) => this.#refuseOversized(excerpt),
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
    if (request && this.#pending.size >= MAX_PENDING) {
      return this.#answer(id, "[MCP_REQUEST_FAILED] Too many requests wait for an answer.");
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
          return this.#answer(id, failureText(this.#failure ?? GONE));
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
      this.#pending.add(id);
      if (method === "initialize") this.#initialized = true;
    }
    session.send(line);
  }

  #wait(line: Buffer): void {
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
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
    this.#openSession().then(
      (session) => this.#opened(session),
      (error: unknown) => this.#failed(error),
    );
  }

  async #openSession(): Promise<Session> {
    const { app, options = {}, proxy } = this.#options;
    const identity = this.#identity = await this.#currentIdentity();
    // Said at once, instead of by a failed handshake later.
    checkIdentity(identity, new Date());
    const authority = (options.connectAuthority ?? connectAuthority)({
      proxy,
      trust: { kind: "cas", hostCas: identity.tlsCas },
      credentials: { certificate: identity.tlsCertificate, key: identity.key },
      timeout: AUTHORITY_MS,
    });
    const { signal } = this.#stop;
    const client = options.client ?? "tsh-mcp";
    return Session.open(authority, { app, proxy, client, signal, onMessage: this.#deliver });
  }

  /** tbot renews the file while the bridge runs; what is known stays good until it expires. */
  async #currentIdentity(): Promise<IdentityFile> {
    if (this.#identity === undefined) return this.#options.identity;
    try {
      return await readIdentityFile(this.#options.identityPath);
    } catch (error) {
      this.#options.log.debug("Kept the identity: the file cannot be read", {
        error: String(error),
      });
      return this.#identity;
    }
  }

  #opened(session: Session): void {
    const { app, log, stdin } = this.#options;
    if (this.#state.kind === "stopping") return session.destroy();
    log.debug("Connected", { app });
    this.#state = { kind: "open", session };
    void session.over.then((reason) => this.#lost(session, reason));
    for (let line = this.#waiting.shift(); line; line = this.#waiting.shift()) {
      const { id, method } = peekMessage(line);
      this.#send(session, line, id, method);
    }
    this.#waitingBytes = 0;
    stdin.resume();
    this.#holdBack(stdin);
    this.#drained?.();
  }

  /** There is no session: whoever waits for one hears why. */
  #failed(error: unknown): void {
    if (this.#state.kind === "stopping") return;
    const failure = this.#note(error);
    this.#state = { kind: "idle" };
    for (let line = this.#waiting.shift(); line; line = this.#waiting.shift()) {
      const { id, method } = peekMessage(line);
      if (id !== undefined && method !== undefined) this.#answer(id, failureText(failure));
    }
    this.#waitingBytes = 0;
    this.#options.stdin.resume();
    this.#afterSession();
  }

  /** The session is over: what it was asked and did not answer stays open for ever. */
  #lost(session: Session, reason: RelayError): void {
    if (this.#state.kind !== "open" || this.#state.session !== session) return;
    const failure = this.#note(reason);
    this.#state = { kind: "idle" };
    const text = `${failureText(failure)} (Whether the request had an effect is unknown.)`;
    for (const id of this.#pending) this.#answer(id, text);
    this.#pending.clear();
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
  readonly #deliver = (line: Buffer, session: Session): void => {
    if (this.#pending.size > 0) {
      const { id, method } = peekMessage(line);
      if (id !== undefined && method === undefined) this.#pending.delete(id);
    }
    this.#writer.write(line);
    if (this.#writer.congested) void this.#writer.room().then(() => session.passedOn());
    else session.passedOn();
    if (this.#pending.size === 0) this.#drained?.();
  };

  #answer(id: string, text: string): void {
    // Other kinds of id belong to no request that a client can match an answer to.
    if (!/^["\d-]/.test(id)) return;
    this.#writer.write(errorReply({ key: id, json: id }, -32603, text));
  }

  #refuseOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void {
    const id = excerptId(excerpt);
    this.#options.log.warn("Refused a message that is too large", { bytes: excerpt.bytes });
    if (id === undefined || this.#pending.has(id.json)) return;
    this.#writer.write(errorReply(id, -32600, "The message is too large"));
  }

  /** The client has closed stdin: what it has asked is still answered, within bounds. */
  async #drain(): Promise<void> {
    const busy = () =>
      this.#state.kind === "opening" && this.#waiting.size > 0 || this.#pending.size > 0;
    const deadline = setTimeout(() => this.#done.resolve(0), DRAIN_MS);
    while (busy() && this.#state.kind !== "stopping") {
      await new Promise<void>((resolve) => this.#drained = resolve);
    }
    clearTimeout(deadline);
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
    this.#writer.flush();
    if (state.kind !== "open") return;
    const { session } = state;
    session.close();
    const timer = setTimeout(() => session.destroy(), GOODBYE_MS);
    await session.over;
    clearTimeout(timer);
  }
}

const GONE: Failure = {
  prefix: "MCP_NETWORK_UNAVAILABLE",
  sentence: "The session is over",
  hint: "Start this MCP server again in your client",
};
