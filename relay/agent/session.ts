/**
 * One session: a channel to a bridge, the gate, and the MCP server behind it. Each message is
 * judged when it comes, recorded, and only then passed on, in its order; it is judged again if what
 * the caller may do has changed meanwhile. Nothing of a session outlives it, and its end is always
 * said and always recorded.
 */
import type { Buffer } from "node:buffer";
import { effectivePrincipal } from "../../identity/access/mod.ts";
import type { SessionClaims } from "../../identity/mod.ts";
import type { AppPolicy } from "../../policy/mod.ts";
import { RelayError } from "../error.ts";
import type { Gate } from "../gate/gate.ts";
import type { GateRecord, GateStep, Withheld } from "../gate/step.ts";
import type { ChannelHandlers } from "../wire/channel.ts";
import { Exchange } from "../wire/exchange.ts";
import { ExcerptWriter } from "../wire/excerpt_writer.ts";
import { FrameType } from "../wire/frame.ts";
import type { End, Resumable } from "../wire/handshake.ts";
import { DEFAULT_WINDOW } from "../wire/outbox.ts";
import { Absence } from "./absence.ts";
import type { Verdict } from "./admission.ts";
import { failureEnd, upstreamEnd } from "./ends.ts";
import { SessionEvents } from "./events.ts";
import { Lane } from "./lane.ts";
import { Recorder } from "./recorder.ts";
import { ServerLane } from "./server_lane.ts";
import { sessionGate } from "./session_gate.ts";
import { exceeded, SessionTime } from "./session_limits.ts";
import type { Connection, SessionOptions } from "./session_options.ts";
import { SessionSecret } from "./session_secret.ts";
import { Standing } from "./standing.ts";
import type { Listened, Upstream } from "./upstream/upstream.ts";

export class Session implements ChannelHandlers {
  readonly #options: SessionOptions;
  readonly #exchange = new Exchange();
  readonly #recorder: Recorder;
  #connection: Connection;
  #standing!: Standing;
  /** Aborted when the certificate is judged no more: another one is, or the session is over. */
  #certified = new AbortController();
  /** How the session can be resumed; not at all without it. */
  #secret: SessionSecret | undefined;
  readonly #absence: Absence;
  readonly #fromClient = new Lane((error) => this.#fail(error));
  readonly #fromServer: ServerLane;
  readonly #over = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  readonly #time: SessionTime;
  readonly #id: string;
  #policy: AppPolicy;
  /** Counts changes of the policy. */
  #changes = 0;
  readonly #gate: Gate;
  #upstream: Upstream | undefined;
  #starting: Promise<void> | undefined;

  constructor(options: SessionOptions, connection: Connection) {
    const { audit, clock, limits } = options;
    const { admission: { claims }, verdict: { app, policy } } = connection;
    this.#options = options;
    this.#connection = connection;
    this.#id = claims.session;
    this.#policy = policy;
    const events = new SessionEvents(claims, app, options.redactor);
    const { told } = options;
    const isNew = (withheld: Withheld) => told.take(claims.app, withheld);
    this.#recorder = new Recorder(events, audit, clock, isNew);
    this.#gate = sessionGate({ ...options, claims, policy: () => this.#policy });
    const { signal } = this.#over;
    this.#time = new SessionTime(
      { app: app.name, clock, limits, signal },
      (end) => this.end(end, end.message),
    );
    const { unreachedMs } = limits;
    this.#absence = new Absence({ ...options, unreachedMs, signal }, this);
    const { channel, hello } = connection;
    this.#exchange.connect(channel, this, { window: hello.window, received: 0 });
    this.#fromServer = new ServerLane({
      exchange: this.#exchange,
      upstream: () => this.#upstream,
      onError: (error) => this.#fail(error),
    });
    this.#certify();
    this.#starting = this.#start().catch((error) => this.#fail(error));
  }

  /** Who holds the session, by the certificate that was shown last. */
  get claims(): SessionClaims {
    return this.#connection.admission.claims;
  }

  /** Where the bridge was seen last. */
  get address(): string {
    return this.#connection.address;
  }

  /** While the bridge is away: its machine is there, so it comes back soon or never. */
  hasten(): void {
    this.#absence.hasten();
  }

  /** Whether whoever holds this certificate, and has said this, may go on with the session. */
  mayResume({ hello, admission }: Connection): boolean {
    const { app, bot, instance } = admission.claims;
    const own = this.claims;
    const same = app === own.app && bot === own.bot && instance === own.instance;
    const { epoch = 0, secret } = hello.resume ?? {};
    if (this.ended || !same || secret === undefined) return false;
    return this.#secret?.accepts(secret, epoch) === true;
  }

  /**
   * Goes on over another connection, for whoever may. The one before is cut first; what its end has
   * not had is judged anew and goes again. Throws `PROTOCOL` for claims that cannot be true.
   */
  resume(connection: Connection): void {
    const { channel, hello, verdict } = connection;
    const { epoch = 0, received = 0, secret = "" } = hello.resume ?? {};
    this.#absence.finish();
    this.#connection = connection;
    const { address } = connection;
    const recorded = this.#recorder.resumed({ address, certificate: this.claims.session });
    this.#exchange.connect(channel, this, { window: hello.window, received }, (body, about) => {
      return this.#review(body, about as GateRecord | undefined);
    });
    const next = this.#secret?.rotate(secret, epoch);
    this.#certify();
    this.#adapt(verdict);
    recorded.then(() => {
      // Another connection may have come meanwhile.
      if (this.ended || this.#connection !== connection) return;
      this.#welcome(next);
      this.#exchange.confirm();
    }).catch((error) => this.#fail(error));
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
    return this.#exchange.held + this.#fromServer.bytes + this.#gate.held +
      (this.#upstream?.held ?? 0);
  }

  /** The server is not read from, until what it has said has left. */
  get stalled(): boolean {
    return this.#fromServer.stalled;
  }

  /** Ends the session and tells the bridge why; what waits for its turn is dropped. */
  end(end: End, because?: string): void {
    if (this.#over.signal.aborted) return;
    this.#exchange.end(end, { discard: end.code !== "UPSTREAM_EXITED" && end.code !== "CLOSED" });
    void this.#finish(end, because);
  }

  onGreeting(): void {
    throw new RelayError("PROTOCOL", "Cannot take a second greeting");
  }

  /** The bridge has had WELCOME, and the secret in it. */
  onConfirmed(): void {
    this.#secret?.confirm();
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
    if (this.#mayReturn(error)) {
      this.#exchange.disconnect();
      return this.#absence.begin(this.#secret?.confirmed === true);
    }
    this.#exchange.close();
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

  async #start(): Promise<void> {
    const { egress, startUpstream, view } = this.#options;
    const { address, hello, verdict: { app } } = this.#connection;
    const principal = effectivePrincipal(view, this.claims);
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
        onAsk: (request) => this.#recorder.asked(request),
        onListen: (listened) => this.#onServerListen(listened),
        onExit: (reason) => this.#onServerExit(reason),
      }, () => this.#connection.admission);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      this.#options.observer?.startFailed();
      return this.end(upstreamEnd("UPSTREAM_START_FAILED", error), error.message);
    }
    this.#upstream = upstream;
    // The end waits for this start, and closes what it has brought.
    if (this.#over.signal.aborted) return;
    if (hello.resume === undefined) return this.#welcome(undefined);
    const { secret, text } = SessionSecret.create();
    this.#secret = secret;
    this.#welcome(text);
  }

  #welcome(secret: string | undefined): void {
    const resume: Resumable | undefined = secret === undefined ? undefined : {
      secret,
      timeout: this.#options.limits.unreachedMs,
      received: this.#exchange.received,
    };
    this.#connection.channel.greet(FrameType.WELCOME, {
      session: this.#id,
      window: DEFAULT_WINDOW,
      ...(resume && { resume }),
    });
  }

  /** The certificate that was shown last is the one that counts from now on. */
  #certify(): void {
    this.#certified.abort();
    this.#certified = new AbortController();
    const signal = AbortSignal.any([this.#over.signal, this.#certified.signal]);
    const { admission } = this.#connection;
    this.#standing = new Standing({ ...this.#options, admission, signal }, {
      onRefused: ({ because, end }) => this.end(end, because),
      onChange: (verdict) => this.#adapt(verdict),
      onError: (error) => this.#fail(error),
    });
  }

  /** Whether a lost connection may be followed by another one. */
  #mayReturn(error: Error | undefined): boolean {
    if (error === undefined || this.ended || this.#secret === undefined) return false;
    return !(error instanceof RelayError) || error.code === "UNREACHABLE";
  }

  /** What the client has not had, as it may be shown now. */
  #review(body: Uint8Array, record: GateRecord | undefined): Uint8Array | undefined {
    if (record === undefined) return body;
    const { bytes, records } = this.#gate.again(body, record);
    this.#options.observer?.noted(records);
    // Less is shown than was recorded before, so that nothing has to wait for it.
    this.#recorder.messages(records)?.catch((error) => this.#fail(error));
    return bytes;
  }

  /** Hands a message of the server over, by what is allowed when it goes. */
  #send(body: Uint8Array, record: GateRecord | undefined, changes: number): void {
    const reviewed = changes === this.#changes ? body : this.#review(body, record);
    if (reviewed) this.#exchange.send(reviewed, record);
    this.#absence.grown();
  }

  /** Does what the gate has decided about a message of the client. */
  #apply(step: GateStep, bytes: number): void {
    this.#time.touch();
    const { received } = this.#exchange;
    const changes = this.#changes;
    this.#fromClient.push({
      ready: this.#recorder.messages(step.records),
      bytes,
      act: () => {
        const late = changes === this.#changes ? undefined : this.#late(step);
        if (late) return late.then((now) => this.#act(now));
        if (step.repeatable) this.#exchange.markRepeatable(received);
        return this.#act(step);
      },
    });
  }

  #act({ forward, reply, close }: GateStep): void | Promise<void> {
    if (forward) this.#upstream?.send(forward);
    if (reply) this.#exchange.send(reply);
    if (close) return this.end(close);
    const room = this.#room();
    if (room === undefined) return this.#exchange.passedOn();
    return room.then(() => this.#exchange.passedOn());
  }

  /**
   * What is done instead with a message that waited while what its sender may do has changed: else
   * a client that lets calls wait would keep for later what it may do now. Resolves when recorded.
   */
  #late({ forward, records: [record] }: GateStep): Promise<GateStep> | undefined {
    if (forward === undefined || record === undefined) return undefined;
    const step = this.#gate.late(forward, record);
    if (step === undefined) return undefined;
    this.#options.observer?.noted(step.records);
    const recorded = this.#recorder.messages(step.records) ?? Promise.resolve();
    return recorded.then(() => step);
  }

  /** The same for a message of the server. */
  #applyServer(step: GateStep, bytes: number): void {
    this.#time.touch();
    this.#time.answered();
    this.#options.observer?.noted(step.records);
    const changes = this.#changes;
    this.#fromServer.push({
      ready: this.#recorder.messages(step.records),
      bytes,
      act: () => {
        const notices = step.before ? step.records.filter(isPassedNotice) : [];
        step.before?.forEach((message, at) => this.#send(message, notices[at], changes));
        if (step.forward) this.#send(step.forward, step.records.at(-1), changes);
        if (step.reply) this.#upstream?.send(step.reply);
        if (step.close) return this.end(step.close);
        return this.#room();
      },
    });
  }

  /** Waits until both sides take more, if one of them does not. */
  #room(): Promise<void> | undefined {
    const upstream = this.#upstream;
    if (!this.#exchange.congested && !upstream?.congested) return undefined;
    return Promise.all([this.#exchange.room(), upstream?.room()]).then(() => {});
  }

  /** What the holder may do has changed, or may have: the client hears what it has to. */
  #adapt({ app, policy }: Extract<Verdict, { kind: "allowed" }>): void {
    this.#policy = policy;
    this.#changes++;
    const { egress, view } = this.#options;
    this.#recorder.sends(egress(app, effectivePrincipal(view, this.claims)).headers);
    const { messages, records, close } = this.#gate.policyChanged();
    this.#options.observer?.noted(records);
    this.#fromServer.push({
      ready: this.#recorder.messages(records),
      bytes: 0,
      act: () => {
        for (const message of messages) this.#exchange.send(message);
        if (close) this.end(close);
      },
    });
    if (!close) this.#upstream?.recall?.((request) => this.#mayGo(request));
  }

  /** Whether a request that waits at the server's door may still go in; if not, it is answered. */
  #mayGo(request: Uint8Array): boolean {
    const { length: bytes } = request;
    const record: GateRecord = { kind: "request", from: "client", outcome: "forwarded", bytes };
    const step = this.#gate.late(request, record);
    if (step === undefined) return true;
    const { records, reply } = step;
    this.#options.observer?.noted(records);
    const ready = this.#recorder.messages(records);
    this.#fromServer.push({
      ready,
      bytes: 0,
      act: () => void (reply && this.#exchange.send(reply)),
    });
    return false;
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
    this.#absence.finish();
    this.#fromClient.stop();
    this.#fromServer.stop();
    const { log, observer } = this.#options;
    try {
      const unanswered = this.#gate.end();
      observer?.noted(unanswered);
      observer?.ended(end);
      await this.#recorder.messages(unanswered);
      await this.#recorder.end({ address: this.address, end, because });
    } catch (error) {
      log.error("The end of a session could not be recorded", { error: String(error) });
    }
    await this.#starting;
    await this.#upstream?.close();
    this.#closed.resolve();
  }
}

/** The records of messages that go ahead of an answer. */
function isPassedNotice({ kind, outcome }: GateRecord): boolean {
  return kind === "notification" && outcome === "forwarded";
}
