/**
 * One session: a channel to a bridge, the gate, and the MCP server behind it. Each message is
 * judged when it comes, recorded, and only then passed on, in its order. Nothing of a session
 * outlives it, and its end is always said and always recorded.
 */
import { randomUUID } from "node:crypto";
import type { Buffer } from "node:buffer";
import type { App, AuditSink, Clock, ClusterView, EventDraft, Log } from "../../identity/mod.ts";
import type { AppPolicy } from "../../policy/mod.ts";
import { RelayError } from "../error.ts";
import { Gate } from "../gate/gate.ts";
import type { GateRecord, GateStep } from "../gate/step.ts";
import type { TaskRegistry } from "../gate/tasks.ts";
import type { Channel, ChannelHandlers } from "../wire/channel.ts";
import { FrameType } from "../wire/frame.ts";
import { type End, type Hello, parseHello } from "../wire/handshake.ts";
import { DEFAULT_WINDOW } from "../wire/outbox.ts";
import { type Admission, expired, judge, type Refused, verify } from "./admission.ts";
import { SessionEvents } from "./events.ts";
import { Lane } from "./lane.ts";
import type { Upstream, UpstreamHandlers } from "./upstream/upstream.ts";

/** Answers of a server that may wait for their audit records; beyond it the server waits too. */
const MAX_LANE_BYTES = 4 * 1024 * 1024;

/** How long a bridge may take to say what it wants once it is connected. */
const HELLO_MS = 10_000;

export interface SessionOptions {
  readonly admission: Admission;
  readonly address: string;
  readonly view: ClusterView;
  readonly audit: AuditSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: TaskRegistry;
  readonly startUpstream: (app: App, handlers: UpstreamHandlers) => Promise<Upstream>;
}

export class Session implements ChannelHandlers {
  readonly #options: SessionOptions;
  readonly #channel: Channel;
  readonly #events: SessionEvents;
  readonly #fromClient = new Lane((error) => this.#fail(error));
  readonly #fromServer = new Lane((error) => this.#fail(error));
  readonly #over = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  /** Messages that came before the server was there; the window bounds them. */
  #early: Buffer[] | undefined = [];
  #policy: AppPolicy;
  /** The CAs that the certificate was verified by. */
  #cas: string;
  #gate: Gate;
  #upstream: Upstream | undefined;
  #stalled = false;
  #started = false;
  #starting: Promise<void> | undefined;
  #unsubscribe = () => {};

  /** `connect` makes the channel, since each of the two needs the other. */
  constructor(
    options: SessionOptions,
    { app, policy }: { app: App; policy: AppPolicy },
    connect: (handlers: ChannelHandlers) => Channel,
  ) {
    const { admission: { claims, certificate }, view, clock } = options;
    this.#options = options;
    this.#policy = policy;
    this.#events = new SessionEvents(claims, app);
    this.#gate = new Gate({
      policy: () => this.#policy,
      newDecisionId: randomUUID,
      tasks: options.tasks,
      owner: `${claims.bot}/${claims.instance}`,
    });
    this.#channel = connect(this);
    this.#unsubscribe = view.subscribe(() => this.#reconsider());
    this.#after(HELLO_MS, () => {
      if (!this.#started) this.end({ code: "PROTOCOL", message: "No HELLO came in time" });
    });
    this.#cas = view.userCas().join();
    this.#after(certificate.notAfter.getTime() - clock.now().getTime(), () => this.#expire());
  }

  /** Resolves when nothing of the session is left. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Ends the session and tells the bridge why; what waits for its turn is dropped. */
  end(end: End, because?: string): void {
    if (this.#over.signal.aborted) return;
    this.#channel.end(end, { discard: end.code !== "UPSTREAM_EXITED" && end.code !== "CLOSED" });
    void this.#finish(end, because);
  }

  onGreeting(body: Buffer): void {
    const hello = parseHello(body);
    const { claims } = this.#options.admission;
    if (hello.session !== claims.session || hello.app !== claims.app) {
      throw new RelayError("PROTOCOL", "The HELLO is for another session than the certificate");
    }
    this.#channel.grant(hello.window);
    this.#starting = this.#start(hello).catch((error) => this.#fail(error));
  }

  onMessage(body: Buffer): void {
    if (this.#early) return void this.#early.push(body);
    const { clock, admission } = this.#options;
    if (clock.now() >= admission.certificate.notAfter) return this.#expire();
    this.#apply(this.#gate.fromClient(body), body.length);
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
    this.#fromServer.push({
      ready: undefined,
      bytes: 0,
      act: () => this.end({ code: "LIMIT_EXCEEDED", message }),
    });
  }

  #onServerExit(reason: RelayError): void {
    const end = upstreamEnd("UPSTREAM_EXITED", reason);
    // Behind what the server said last.
    this.#fromServer.push({ ready: undefined, bytes: 0, act: () => this.end(end, reason.message) });
  }

  async #start(hello: Hello): Promise<void> {
    const { address, admission: { claims }, startUpstream, view } = this.#options;
    const app = view.app(claims.app);
    this.#started = true;
    await this.#append([this.#events.start({ address, client: hello.client })]);
    if (this.#over.signal.aborted || app === undefined) return;
    let upstream: Upstream;
    try {
      upstream = await startUpstream(app, {
        onMessage: (line) => this.#onServerMessage(line),
        onOversized: (excerpt) => this.#onServerOversized(excerpt),
        onExit: (reason) => this.#onServerExit(reason),
      });
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return this.end(upstreamEnd("UPSTREAM_START_FAILED", error), error.message);
    }
    this.#upstream = upstream;
    // The end waits for this start, and closes what it has brought.
    if (this.#over.signal.aborted) return;
    this.#channel.greet(FrameType.WELCOME, { session: claims.session, window: DEFAULT_WINDOW });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const body of early) this.onMessage(body);
  }

  /** Does what the gate has decided about a message of the client. */
  #apply(step: GateStep, bytes: number): void {
    this.#fromClient.push({
      ready: this.#record(step.records),
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
    this.#fromServer.push({
      ready: this.#record(step.records),
      bytes,
      act: () => {
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

  /** Something in the cluster has changed: is this session still right? */
  #reconsider(): void {
    if (this.#over.signal.aborted) return;
    const verdict = judge(this.#options.admission.claims, this.#options.view);
    if (verdict.kind === "refused") return this.#refuse(verdict);
    void this.#reconsiderCas();
    this.#policy = verdict.policy;
    const { messages, records, close } = this.#gate.policyChanged();
    this.#fromServer.push({
      ready: this.#record(records),
      bytes: 0,
      act: () => {
        for (const message of messages) this.#channel.send(message);
        if (close) this.end(close);
      },
    });
  }

  /** A CA was added or taken away: is the certificate still one of ours? */
  async #reconsiderCas(): Promise<void> {
    const { admission: { certificate }, clock, view } = this.#options;
    const cas = view.userCas().join();
    if (cas === this.#cas) return;
    this.#cas = cas;
    const wrong = await verify(certificate, view, clock.now());
    if (wrong) this.#refuse(wrong);
  }

  #refuse({ end, because }: Refused): void {
    this.end(end, because);
  }

  #expire(): void {
    this.#refuse(expired());
  }

  #fail(error: unknown): void {
    if (error instanceof RelayError && error.code === "AUDIT_UNAVAILABLE") {
      return this.end({ code: "AUDIT_UNAVAILABLE", message: error.message }, error.message);
    }
    this.#options.log.error("Session failed", { error: String(error) });
    this.end({ code: "INTERNAL", message: "The agent has failed" }, String(error));
  }

  #record(records: readonly GateRecord[]): Promise<unknown> | undefined {
    const drafts: EventDraft[] = [];
    for (const record of records) {
      const draft = this.#events.message(record);
      if (draft) drafts.push(draft);
    }
    return drafts.length === 0 ? undefined : this.#append(drafts);
  }

  #append(drafts: readonly EventDraft[]): Promise<unknown> {
    return Promise.all(drafts.map((draft) => this.#options.audit.append(draft))).catch((cause) => {
      throw new RelayError("AUDIT_UNAVAILABLE", "The session cannot be recorded", { cause });
    });
  }

  /** Calls back unless the session is over before. */
  #after(milliseconds: number, act: () => void): void {
    const { clock } = this.#options;
    // Longer timers than this fire at once on some runtimes.
    const bounded = Math.min(Math.max(0, milliseconds), 0x7fffffff);
    clock.sleep(bounded, this.#over.signal).then(act, () => {});
  }

  async #finish(end: End, because: string | undefined): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#unsubscribe();
    this.#fromClient.stop();
    this.#fromServer.stop();
    const { address, log } = this.#options;
    try {
      await this.#record(this.#gate.end());
      if (this.#started) await this.#append([this.#events.end({ address, end, because })]);
    } catch (error) {
      log.error("The end of a session could not be recorded", { error: String(error) });
    }
    await this.#starting;
    await this.#upstream?.close();
    this.#closed.resolve();
  }
}

function upstreamEnd(code: "UPSTREAM_EXITED" | "UPSTREAM_START_FAILED", error: RelayError): End {
  const { message, hint } = error;
  return hint === undefined ? { code, message } : { code, message, hint };
}
