/**
 * One session: a channel to a bridge, the gate, and the MCP server behind it. Each message is
 * judged when it comes, recorded, and only then passed on, in its order. Nothing of a session
 * outlives it, and its end is always said and always recorded.
 */
import type { Buffer } from "node:buffer";
import { effectivePrincipal } from "../../identity/access/mod.ts";
import type { Redactor } from "../../identity/audit/mod.ts";
import type {
  App,
  AppLimits,
  AuditSink,
  Clock,
  ClusterView,
  Log,
  Principal,
} from "../../identity/mod.ts";
import type { AppPolicy } from "../../policy/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import type { Gate } from "../gate/gate.ts";
import type { GateStep, Withheld } from "../gate/step.ts";
import type { TaskRegistry } from "../gate/tasks.ts";
import type { SessionObserver } from "../telemetry/observer.ts";
import type { Channel, ChannelHandlers } from "../wire/channel.ts";
import { ExcerptWriter } from "../wire/excerpt_writer.ts";
import { FrameType } from "../wire/frame.ts";
import { type End, type Hello, parseHello } from "../wire/handshake.ts";
import { DEFAULT_WINDOW } from "../wire/outbox.ts";
import type { Admission, Verdict } from "./admission.ts";
import type { CallRates } from "./call_rate.ts";
import type { Egress } from "./egress.ts";
import { failureEnd, upstreamEnd } from "./ends.ts";
import { SessionEvents } from "./events.ts";
import { Lane } from "./lane.ts";
import { Recorder } from "./recorder.ts";
import { sessionGate } from "./session_gate.ts";
import { exceeded, SessionTime } from "./session_limits.ts";
import { Standing } from "./standing.ts";
import type { ToldDefinitions } from "./told_definitions.ts";
import type { Listened, Upstream, UpstreamHandlers } from "./upstream/upstream.ts";

/** Answers of a server that may wait for their audit records; beyond it the server waits too. */
const MAX_LANE_BYTES = 4 * 1024 * 1024;

/** How long a bridge may take to say what it wants once it is connected. */
const HELLO_MS = 10_000;

export interface SessionOptions {
  readonly admission: Admission;
  readonly address: string;
  readonly view: ClusterView;
  readonly audit: AuditSink;
  readonly redactor?: Redactor | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: TaskRegistry;
  readonly told: ToldDefinitions;
  readonly limits: AppLimits;
  readonly rates: CallRates;
  readonly observer?: SessionObserver | undefined;
  /** How the server is reached, for the audit log. */
  readonly egress: (app: App, principal: Principal) => Egress;
  readonly startUpstream: (app: App, handlers: UpstreamHandlers) => Promise<Upstream>;
}

export class Session implements ChannelHandlers {
  readonly #options: SessionOptions;
  readonly #channel: Channel;
  readonly #recorder: Recorder;
  readonly #standing: Standing;
  readonly #fromClient = new Lane((error) => this.#fail(error));
  readonly #fromServer = new Lane((error) => this.#fail(error));
  readonly #over = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  readonly #time: SessionTime;
  #policy: AppPolicy;
  readonly #gate: Gate;
  #upstream: Upstream | undefined;
  #stalled = false;
  #started = false;
  #starting: Promise<void> | undefined;

  /** `connect` makes the channel, since each of the two needs the other. */
  constructor(
    options: SessionOptions,
    { app, policy }: { app: App; policy: AppPolicy },
    connect: (handlers: ChannelHandlers) => Channel,
  ) {
    const { admission: { claims }, audit, clock, limits } = options;
    this.#options = options;
    this.#policy = policy;
    const events = new SessionEvents(claims, app, options.redactor);
    const { told } = options;
    const isNew = (withheld: Withheld) => told.take(claims.app, withheld);
    this.#recorder = new Recorder(events, audit, clock, isNew);
    this.#gate = sessionGate({ ...options, claims, policy: () => this.#policy });
    this.#channel = connect(this);
    const { signal } = this.#over;
    this.#standing = new Standing({ ...options, signal }, {
      onRefused: ({ because, end }) => this.end(end, because),
      onChange: (verdict) => this.#adapt(verdict),
      onError: (error) => this.#fail(error),
    });
    after(clock, HELLO_MS, signal, () => {
      if (!this.#started) this.end({ code: "PROTOCOL", message: "No HELLO came in time" });
    });
    this.#time = new SessionTime(
      { app: app.name, clock, limits, signal },
      (end) => this.end(end, end.message),
    );
  }

  /** It is over, though something of it may be left. */
  get ended(): boolean {
    return this.#over.signal.aborted;
  }

  /** Resolves when nothing of the session is left. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Bytes of messages that are kept here because somebody has to take or record them first. */
  get held(): number {
    // What the client has sent is the channel's until it was passed on.
    return this.#channel.held + this.#fromServer.bytes + this.#gate.held +
      (this.#upstream?.held ?? 0);
  }

  /** The server is not read from, until what it has said has left. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Ends the session and tells the bridge why; what waits for its turn is dropped. */
  end(end: End, because?: string): void {
    if (this.#over.signal.aborted) return;
    this.#channel.end(end, { discard: end.code !== "UPSTREAM_EXITED" && end.code !== "CLOSED" });
    void this.#finish(end, because);
  }

  onGreeting(body: Buffer, type: number): void {
    if (type !== FrameType.HELLO) throw new RelayError("PROTOCOL", "A session begins with HELLO");
    const hello = parseHello(body);
    const { claims } = this.#options.admission;
    if (hello.session !== claims.session || hello.app !== claims.app) {
      throw new RelayError("PROTOCOL", "The HELLO is for another session than the certificate");
    }
    this.#channel.grant(hello.window);
    this.#starting = this.#start(hello).catch((error) => this.#fail(error));
  }

  onMessage(body: Buffer): void {
    if (this.#upstream === undefined) {
      throw new RelayError("PROTOCOL", "Cannot take a message before WELCOME was sent");
    }
    const { lost } = this.#standing;
    if (lost) return this.end(lost.end, lost.because);
    const step = body.length > this.#options.limits.messageBytes
      ? this.#gate.oversized("client", new ExcerptWriter(body))
      : this.#gate.fromClient(body);
    if (step.forward) this.#time.asked(step.records);
    this.#apply(this.#options.observer?.fromClient(step) ?? step, body.length);
  }

  onEnd(end: End): void {
    void this.#finish(end, "the client has ended the session");
  }

  onClose(error: Error | undefined): void {
    void this.#finish({ code: "CLOSED", message: "The connection was closed" }, error?.message);
  }

  #onServerMessage(line: Buffer): void {
    this.#applyServer(this.#gate.fromServer(line), line.length);
  }

  #onServerOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void {
    const step = this.#gate.oversized("server", excerpt);
    this.#applyServer(step, 0);
    // If it was an answer, somebody waits for it and nobody can tell who.
    if (step.forward || step.reply || step.close) return;
    const message = "The server has sent a message that is too large, and nobody can tell which";
    const end = exceeded("message_size", message);
    this.#fromServer.push({ ready: undefined, bytes: 0, act: () => this.end(end) });
  }

  #onServerListen(listened: Listened): void {
    const ready = this.#recorder.listened(listened);
    if (ready) this.#fromServer.push({ ready, bytes: 0, act: () => {} });
  }

  #onServerExit(reason: RelayError): void {
    const end = upstreamEnd("UPSTREAM_EXITED", reason);
    // Behind what the server said last.
    this.#fromServer.push({ ready: undefined, bytes: 0, act: () => this.end(end, reason.message) });
  }

  async #start(hello: Hello): Promise<void> {
    const { address, admission: { claims }, egress, startUpstream, view } = this.#options;
    const app = view.app(claims.app);
    // Its removal has ended the session already.
    if (app === undefined) return;
    this.#started = true;
    const principal = effectivePrincipal(view, claims);
    this.#recorder.start({
      address,
      client: hello.client,
      principal,
      app,
      egress: egress(app, principal),
      serverSession: () => this.#upstream?.sessionId,
    });
    let upstream: Upstream;
    try {
      upstream = await startUpstream(app, {
        onMessage: (line) => this.#onServerMessage(line),
        onOversized: (excerpt) => this.#onServerOversized(excerpt),
        onListen: (listened) => this.#onServerListen(listened),
        onExit: (reason) => this.#onServerExit(reason),
      });
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      this.#options.observer?.startFailed();
      return this.end(upstreamEnd("UPSTREAM_START_FAILED", error), error.message);
    }
    this.#upstream = upstream;
    // The end waits for this start, and closes what it has brought.
    if (this.#over.signal.aborted) return;
    this.#channel.greet(FrameType.WELCOME, { session: claims.session, window: DEFAULT_WINDOW });
  }

  /** Does what the gate has decided about a message of the client. */
  #apply(step: GateStep, bytes: number): void {
    this.#time.touch();
    this.#fromClient.push({
      ready: this.#recorder.messages(step.records),
      bytes,
      act: () => {
        if (step.forward) this.#upstream?.send(step.forward);
        if (step.reply) this.#channel.send(step.reply);
        if (step.close) return this.end(step.close);
        const room = this.#room();
        if (room === undefined) return this.#channel.passedOn();
        return room.then(() => this.#channel.passedOn());
      },
    });
  }

  /** The same for a message of the server. */
  #applyServer(step: GateStep, bytes: number): void {
    this.#time.touch();
    this.#time.answered();
    this.#options.observer?.noted(step.records);
    this.#fromServer.push({
      ready: this.#recorder.messages(step.records),
      bytes,
      act: () => {
        for (const message of step.before ?? []) this.#channel.send(message);
        if (step.forward) this.#channel.send(step.forward);
        if (step.reply) this.#upstream?.send(step.reply);
        if (step.close) return this.end(step.close);
        return this.#room();
      },
    });
    if (this.#channel.congested || this.#fromServer.bytes > MAX_LANE_BYTES) this.#stall();
  }

  /** Waits until both sides take more, if one of them does not. */
  #room(): Promise<void> | undefined {
    const upstream = this.#upstream;
    if (!this.#channel.congested && !upstream?.congested) return undefined;
    return Promise.all([this.#channel.room(), upstream?.room()]).then(() => {});
  }

  /** Stops reading from the server until what it said has left. */
  #stall(): void {
    if (this.#stalled) return;
    this.#stalled = true;
    this.#upstream?.pause();
    // The lane acts in order, so this comes when everything in front has gone and there is room.
    this.#fromServer.push({
      ready: undefined,
      bytes: 0,
      act: async () => {
        await this.#channel.room();
        this.#stalled = false;
        this.#upstream?.resume();
      },
    });
  }

  /** What the holder may do has changed, or may have: the client hears what it has to. */
  #adapt({ app, policy }: Extract<Verdict, { kind: "allowed" }>): void {
    this.#policy = policy;
    const { admission: { claims }, egress, view } = this.#options;
    this.#recorder.sends(egress(app, effectivePrincipal(view, claims)).headers);
    const { messages, records, close } = this.#gate.policyChanged();
    this.#options.observer?.noted(records);
    this.#fromServer.push({
      ready: this.#recorder.messages(records),
      bytes: 0,
      act: () => {
        for (const message of messages) this.#channel.send(message);
        if (close) this.end(close);
      },
    });
  }

  #fail(error: unknown): void {
    const end = failureEnd(error);
    if (end.code === "INTERNAL") {
      this.#options.log.error("Session failed", { error: String(error) });
    }
    this.end(end, error instanceof RelayError ? error.message : String(error));
  }

  async #finish(end: End, because: string | undefined): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#fromClient.stop();
    this.#fromServer.stop();
    const { address, log, observer } = this.#options;
    try {
      const unanswered = this.#gate.end();
      observer?.noted(unanswered);
      observer?.ended(end);
      await this.#recorder.messages(unanswered);
      if (this.#started) await this.#recorder.end({ address, end, because });
      else await this.#recorder.refused({ address, end, because: because ?? end.message });
    } catch (error) {
      log.error("The end of a session could not be recorded", { error: String(error) });
    }
    await this.#starting;
    await this.#upstream?.close();
    this.#closed.resolve();
  }
}
