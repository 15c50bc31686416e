/**
 * What an MCP client starts instead of the server: reads its messages from stdin, carries them to
 * the agent, writes what comes back to stdout, and nothing else. It decides nothing.
 *
 * It outlives what it stands for. A connection that is lost is replaced under the same session; a
 * session that is over, by another one whose server is told what the one before knew. Whatever
 * fails on the way, every request gets an answer within a bounded time; none that may have had an
 * effect is sent twice, but for calls of which the agent has said that they may be.
 */
import type { Buffer } from "node:buffer";
import type { Readable } from "node:stream";
import { type Clock, systemClock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import { LineSplitter } from "../wire/line_splitter.ts";
import { peekMessage } from "../wire/peek.ts";
import { Backoff } from "./backoff.ts";
import { ClientSide, type Repeated } from "./client_side.ts";
import { type Failure, failureText, isReplaceable, isTransient, ServerChanged } from "./failure.ts";
import type { BridgeOptions } from "./options.ts";
import { Opener } from "./opener.ts";
import { Renewal } from "./renewal.ts";
import { Replay } from "./replay.ts";
import type { Session } from "./session.ts";
import { SleepWatch } from "./sleep_watch.ts";
import { Trouble } from "./trouble.ts";
import { Waiting } from "./waiting.ts";

/**
 * Milliseconds that a request may wait while there is no connection. Clients give up after a
 * minute, and then nobody learns why.
 */
const PATIENCE_MS = 45_000;

/**
 * Milliseconds that a request which was sent may wait for the lost connection to come back: until it
 * counted as lost the other end may have been silent for some time.
 */
const LOST_MS = 35_000;

/** A replacement that did not last so long is not replaced before somebody asks for something. */
const SHORT_LIVED_MS = 10_000;

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
  /** The connection is lost; the session is not. */
  | { readonly kind: "lost"; readonly session: Session }
  | { readonly kind: "stopping" };

class Bridge {
  readonly #options: BridgeOptions;
  readonly #clock: Clock;
  readonly #client: ClientSide;
  readonly #opener: Opener;
  readonly #renewal: Renewal;
  readonly #replay = new Replay();
  readonly #waiting: Waiting;
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<number>();
  #state: State = { kind: "idle" };
  readonly #trouble: Trouble;
  /** Set when another server than the client's own has answered: only the client can go on. */
  #changed = false;
  #backoff: Backoff;
  /** There was a session once: whoever asks knows that the way was good. */
  #met = false;
  /** Requests to be repeated in the next session. */
  #again: Repeated[] = [];
  /** When the session that is open was opened, and whether it has replaced another one. */
  #opened = { at: 0, replaces: false };
  #drained: (() => void) | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#trouble = new Trouble(options);
    this.#client = new ClientSide(options.stdout);
    const clock = this.#clock = options.options?.clock ?? systemClock;
    this.#backoff = new Backoff(clock);
    this.#opener = new Opener(options, {
      clock,
      signal: this.#stop.signal,
      onMessage: (line, session) => this.#deliver(line, session),
      onRepeatable: (seq) => this.#client.mayRepeat(seq),
      onLost: (session, reason) => this.#onLost(session, reason),
      awaits: () => this.#client.waits,
    });
    this.#renewal = new Renewal({ clock, log: options.log, opener: this.#opener });
    this.#waiting = new Waiting({
      clock,
      patience: PATIENCE_MS,
      onExpired: (line) => this.#refuse(line, this.#trouble.last),
    });
  }

  async run(): Promise<number> {
    const { signal, stdin, stdout } = this.#options;
    const onAbort = () => this.#done.resolve(0);
    signal.addEventListener("abort", onAbort);
    // A client that no longer reads has gone.
    stdout.on("error", onAbort);
    stdin.on("error", onAbort);
    const watch = new SleepWatch(() => this.#onWake());
    void this.#open({ replaces: false });
    this.#read(stdin, watch);
    if (signal.aborted) onAbort();
    const code = await this.#done.promise;
    watch.stop();
    await this.#leave();
    signal.removeEventListener("abort", onAbort);
    return code;
  }

  #read(stdin: Readable, watch: SleepWatch): void {
    const lines = new LineSplitter({
      onLine: (line) => this.#take(line),
      onOversized: (excerpt) => {
        this.#options.log.warn("Refused a message that is too large", { bytes: excerpt.bytes });
        this.#client.refuseOversized(excerpt);
      },
    });
    stdin.on("data", (chunk: Buffer) => {
      watch.look();
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
    if (request && this.#client.full) {
      return this.#client.fail(id, "[MCP_REQUEST_FAILED] Too many requests wait for an answer.");
    }
    const state = this.#state;
    // Whoever greets again need not be stood in for.
    if (method === "initialize" && state.kind !== "open") {
      this.#replay.forget();
      this.#changed = false;
    }
    switch (state.kind) {
      case "open":
        return this.#send(state.session, line, id, method);
      case "opening":
      case "lost":
        this.#waiting.add(line);
        return this.#backoff.nudge();
      case "idle":
        if (this.#changed && request) return this.#refuse(line, this.#trouble.last);
        this.#waiting.add(line);
        if (request) return void this.#open({ replaces: false });
        this.#waiting.take();
        if (method !== undefined) this.#replay.note(id, method, line);
        return this.#options.log.debug("Dropped a message: there is no session");
      case "stopping":
    }
  }

  #send(session: Session, line: Buffer, id: string | undefined, method: string | undefined): void {
    if (method === undefined) {
      if (id !== undefined && !this.#client.answers(id)) return;
    } else {
      this.#replay.note(id, method, line);
      if (id !== undefined) {
        if (this.#client.expect(id, method, line)) {
          return this.#client.sent(id, session.send(line));
        }
      } else if (method === "notifications/cancelled") this.#client.withdraw(line);
    }
    session.send(line);
  }

  /** Stops reading from the client while nothing can be passed on. */
  #holdBack(stdin: Readable): void {
    const state = this.#state;
    if (state.kind === "open" && state.session.congested) {
      stdin.pause();
      void state.session.room().then(() => stdin.resume());
    } else if ((state.kind === "opening" || state.kind === "lost") && this.#waiting.full) {
      stdin.pause();
    }
  }

  /** Opens a session; only the first of all is not worth several attempts. */
  async #open({ replaces }: { replaces: boolean }): Promise<void> {
    this.#state = { kind: "opening" };
    this.#backoff = new Backoff(this.#clock);
    const until = this.#clock.monotonic() + PATIENCE_MS;
    while (this.#state.kind === "opening") {
      try {
        return await this.#begin(await this.#opener.open(), replaces);
      } catch (error) {
        const again = (replaces || this.#met) && isTransient(error) &&
          this.#clock.monotonic() < until;
        if (!again) return this.#failed(error);
        this.#trouble.note(error, "debug");
      }
      await this.#backoff.wait(this.#stop.signal);
    }
  }

  /** Puts a session in place: its server first hears what the one before knew. */
  async #begin(session: Session, replaces: boolean): Promise<void> {
    if (this.#state.kind === "stopping") return session.destroy();
    let notices: readonly Uint8Array[] = [];
    if (this.#replay.needed) {
      const over = session.over.then((reason) => Promise.reject(reason));
      const told = this.#replay.run((line) => session.send(line));
      notices = await Promise.race([told, over]).catch((error: unknown) => {
        if (error instanceof ServerChanged) this.#changed = true;
        session.close();
        throw error;
      });
    }
    this.#met = true;
    this.#opened = { at: this.#clock.monotonic(), replaces };
    void session.over.then((reason) => this.#onOver(session, reason));
    this.#options.log.debug("Connected", { app: this.#options.app });
    for (const { id, line } of this.#again.splice(0)) this.#client.sent(id, session.send(line));
    for (const notice of notices) this.#client.tell(notice);
    this.#goOn(session);
  }

  /** There is a connection: what waits for one goes. */
  #goOn(session: Session): void {
    const { stdin } = this.#options;
    this.#state = { kind: "open", session };
    this.#renewal.watch(session);
    for (const line of this.#waiting.take()) {
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
    const failure = this.#trouble.note(error);
    // What was to be repeated has been sent once.
    this.#client.failAll(this.#trouble.unknownOutcome);
    this.#again = [];
    this.#rest(failure);
  }

  /** Waits for the next request; nothing else waits. */
  #rest(failure: Failure): void {
    this.#state = { kind: "idle" };
    for (const line of this.#waiting.take()) this.#refuse(line, failure);
    this.#options.stdin.resume();
    this.#drained?.();
    if (this.#options.options?.reconnect === false) this.#done.resolve(1);
  }

  #refuse(line: Buffer, failure: Failure): void {
    const { id, method } = peekMessage(line);
    if (id !== undefined && method !== undefined) this.#client.fail(id, failureText(failure));
    this.#drained?.();
  }

  #onLost(session: Session, reason: RelayError): void {
    const state = this.#state;
    if (state.kind !== "open" || state.session !== session) return session.abandon(reason);
    this.#state = { kind: "lost", session };
    this.#renewal.stop();
    void this.#resume(session, reason);
  }

  /** Brings a lost session back, for as long as the agent keeps it. */
  async #resume(session: Session, reason: RelayError): Promise<void> {
    this.#trouble.note(reason, "debug");
    this.#backoff = new Backoff(this.#clock);
    const until = this.#clock.monotonic() + session.kept;
    const back = new AbortController();
    after(
      this.#clock,
      LOST_MS,
      back.signal,
      () => this.#client.giveUp(this.#trouble.unknownOutcome),
    );
    try {
      while (this.#isLost(session)) {
        try {
          await this.#opener.resume(session);
          if (this.#isLost(session)) this.#goOn(session);
          else session.destroy();
          return;
        } catch (error) {
          this.#trouble.note(error, "debug");
          const again = isTransient(error) && this.#clock.monotonic() < until;
          if (!again) return session.abandon(asReason(error));
        }
        await this.#backoff.wait(this.#stop.signal);
      }
    } finally {
      back.abort();
    }
  }

  #isLost(session: Session): boolean {
    return this.#state.kind === "lost" && this.#state.session === session;
  }

  /** The session is over: what it was asked and did not answer stays open for ever. */
  #onOver(session: Session, reason: RelayError): void {
    const state = this.#state;
    if (state.kind !== "open" && state.kind !== "lost" || state.session !== session) return;
    this.#renewal.stop();
    const failure = this.#trouble.note(reason);
    const { at, replaces } = this.#opened;
    const lasted = this.#clock.monotonic() - at > SHORT_LIVED_MS;
    // One that ends as soon as it is there is not worth a loop.
    const wanted = this.#waiting.size > 0 ||
      (this.#replay.needed || this.#client.repeats) && (lasted || !replaces);
    const repeat = wanted && this.#options.options?.reconnect !== false && isReplaceable(reason);
    this.#again = this.#client.failAll(this.#trouble.unknownOutcome, { repeat });
    if (repeat) void this.#open({ replaces: true });
    else this.#rest(failure);
  }

  #onWake(): void {
    const state = this.#state;
    this.#backoff.nudge();
    if (state.kind !== "open" || this.#options.options?.reconnect === false) return;
    state.session.lose(new RelayError("UNREACHABLE", "The machine was asleep"));
  }

  /** A message of the server, for the client. */
  #deliver(line: Buffer, session: Session): void {
    if (this.#replay.watches) {
      const { id, method } = peekMessage(line);
      if (id !== undefined && method === undefined && this.#replay.take(id, line)) {
        return session.passedOn();
      }
    }
    this.#client.deliver(line);
    if (this.#client.congested) void this.#client.room().then(() => session.passedOn());
    else session.passedOn();
    if (!this.#client.waits) this.#drained?.();
  }

  /** The client has closed stdin: what it has asked is still answered, within bounds. */
  async #drain(): Promise<void> {
    const busy = () => this.#waiting.size > 0 || this.#client.waits;
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
    this.#renewal.stop();
    this.#waiting.take();
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

function asReason(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RelayError("ROUTE_REFUSED", message, { cause: error });
}
