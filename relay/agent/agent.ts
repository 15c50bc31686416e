/**
 * The service side: takes connections that were routed here, proves who is at the other end, and
 * runs a session for whoever may have one. It asks no one whom it would have to wait for: certificates
 * are proved by TLS, and everything else is in the live view of the cluster.
 */
import type { Duplex } from "node:stream";
import type tls from "node:tls";
import type {
  App,
  AppLimits,
  AuditSink,
  Clock,
  ClusterView,
  ListedTool,
  Log,
  OpenSession,
  Principal,
  SignAppToken,
} from "../../identity/mod.ts";
import { appTransport, DEFAULT_APP_LIMITS } from "../../identity/mod.ts";
import { effectivePrincipal } from "../../identity/access/mod.ts";
import type { Redactor } from "../../identity/audit/mod.ts";
import type { CertificateInfo } from "../../identity/x509/mod.ts";
import { RelayError } from "../error.ts";
import { GATE_LIMITS } from "../gate/limits.ts";
import { TaskRegistry } from "../gate/tasks.ts";
import { Channel } from "../wire/channel.ts";
import type { End } from "../wire/handshake.ts";
import type { AgentObserver } from "../telemetry/observer.ts";
import { acceptTls, peerCertificate, sayEnd } from "./accept_tls.ts";
import { admit, judge, type Refused, unknownSession } from "./admission.ts";
import { CallRates } from "./call_rate.ts";
import { egressOf } from "./egress.ts";
import { SessionEvents } from "./events.ts";
import { Greeting } from "./greeting.ts";
import { listTools } from "./list_tools.ts";
import { OpenSessions } from "./open_sessions.ts";
import { ownRequestEvent } from "./own_request.ts";
import { Reaper, type ReaperProcess } from "./reaper.ts";
import { Session } from "./session.ts";
import type { Connection } from "./session_options.ts";
import { exceeded } from "./session_limits.ts";
import { startSessionServer } from "./session_server.ts";
import { ToldDefinitions } from "./told_definitions.ts";
import { Unreached, type UnreachedLimits } from "./unreached.ts";
import { ServerWatch } from "./upstream/server_watch.ts";
import { UsedTickets } from "./used_tickets.ts";
import { Values } from "./values/values.ts";

export interface AgentOptions {
  readonly view: ClusterView;
  /** The agent's own certificate and key, PEM; asked for each connection, so they may be renewed. */
  readonly hostCredentials: () => { readonly certificate: string; readonly key: string };
  readonly audit: AuditSink;
  /** Replaces what may not be recorded. */
  readonly redactor?: Redactor | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Starts the process that ends servers should the agent be killed; without it they may stay. */
  readonly spawnReaper?: () => ReaperProcess;
  readonly limits?: Partial<AgentLimits>;
  /** Of every app that has no number of its own. */
  readonly appLimits?: Partial<AppLimits>;
  /** Counts and traces; a session does nothing for it when there is none. */
  readonly observer?: AgentObserver | undefined;
  /** An app as this agent's own configuration has it; what the view says of it where absent. */
  readonly appSettings?: (name: string) => App | undefined;
  /** Signs what servers are told about their callers. */
  readonly signAppToken?: SignAppToken;
}

export interface AgentLimits extends UnreachedLimits {
  /** Connections at a time, those in their handshake included. */
  readonly connections: number;
  /** Milliseconds that a TLS handshake may take. */
  readonly handshakeMs: number;
  /** Tickets remembered as used. */
  readonly usedTickets: number;
  /** Open sessions at a time, of all and of one bot. */
  readonly sessions: number;
  readonly sessionsPerBot: number;
}

export const DEFAULT_AGENT_LIMITS: AgentLimits = {
  connections: 4096,
  handshakeMs: 10_000,
  usedTickets: 200_000,
  sessions: 4096,
  sessionsPerBot: 256,
  unreachedSessions: 64,
  unreachedBytes: 256 * 1024 * 1024,
};

/** How often a session may change its connection, in the long run and at once. */
const RESUMES = { perSecond: 1, burst: 100 };

/** Why somebody who was proved gets no session. */
type Unwelcome = Pick<Refused, "end" | "because">;

/** Where a connection comes from, as its bringer says. */
export interface Origin {
  readonly address: string;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #limits: AgentLimits;
  readonly #rates: CallRates;
  readonly #watch: ServerWatch;
  readonly #tickets: UsedTickets;
  readonly #reaper: Reaper | undefined;
  readonly #values: Values;
  readonly #connections = new Set<Duplex>();
  readonly #sessions: OpenSessions;
  /** Tasks of each app, which outlive the sessions that started them. */
  readonly #tasks = new Map<string, TaskRegistry>();
  readonly #told = new ToldDefinitions();
  readonly #unreached: Unreached;
  readonly #resumes: CallRates;
  #closing = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_AGENT_LIMITS, ...options.limits };
    this.#rates = new CallRates(options.clock);
    this.#resumes = new CallRates(options.clock);
    this.#unreached = new Unreached(this.#limits);
    this.#sessions = new OpenSessions(this.#unreached);
    this.#watch = new ServerWatch(options.clock, options.log);
    this.#tickets = new UsedTickets(this.#limits.usedTickets);
    this.#values = new Values(options.clock);
    const { spawnReaper, log } = options;
    this.#reaper = spawnReaper && new Reaper(spawnReaper, log);
  }

  /** Sessions that are open now. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** The sessions that are open now, each as long as it lasts. */
  openSessions(): OpenSession[] {
    return this.#sessions.list();
  }

  /** Bytes of messages that sessions keep because somebody has to take or record them first. */
  get held(): number {
    return this.#sessions.held;
  }

  /** Sessions whose server waits because the client, or the audit log, is slow. */
  get stalled(): number {
    return this.#sessions.stalled;
  }

  /** All tools of an app's server, as nobody in particular; rejects if it does not say. */
  async listTools(name: string): Promise<ListedTool[]> {
    const { audit, clock, redactor, view } = this.#options;
    const app = view.app(name);
    if (app === undefined) {
      throw new RelayError("SERVER_START_FAILED", `There is no app "${name}" at this agent`);
    }
    return await listTools({
      app: name,
      clock,
      record: (request) =>
        audit.append({ ...ownRequestEvent(request, redactor), app_name: name, app_uri: app.uri }),
      start: async (handlers) =>
        await startSessionServer({
          ...this.#serverOptions(app),
          principal: () => NOBODY,
          notAfter: () => clock.now(),
          signAppToken: undefined,
        }, handlers),
    });
  }

  /** Takes over a connection on which a TLS ClientHello comes next. */
  accept(socket: Duplex, from: Origin): void {
    const { log } = this.#options;
    socket.on("error", (error: Error) => log.debug("Connection failed", { error: error.message }));
    if (this.#closing || this.#connections.size >= this.#limits.connections) {
      log.warn("Refused a connection: the agent is full or stopping", { from: from.address });
      if (!this.#closing) this.#options.observer?.limited("connections");
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.once("close", () => this.#connections.delete(socket));
    this.#serve(socket, from).catch((error: unknown) => {
      log.info("Refused a connection", { from: from.address, error: String(error) });
      socket.destroy();
    });
  }

  /** Ends every session and takes no more; resolves when every server has gone. */
  async close(): Promise<void> {
    this.#closing = true;
    const sessions = this.#sessions.all();
    for (const session of sessions) {
      session.end({ code: "AGENT_STOPPING", message: "The agent is stopping" });
    }
    await Promise.all(sessions.map(({ closed }) => closed));
    for (const socket of this.#connections) socket.destroy();
    this.#reaper?.close();
  }

  async #serve(socket: Duplex, from: Origin): Promise<void> {
    const { view, clock, hostCredentials } = this.#options;
    const { handshakeMs } = this.#limits;
    const stream = await acceptTls(socket, { view, hostCredentials, handshakeMs });
    const certificate = peerCertificate(stream);
    const now = clock.now();
    const admission = await admit(certificate, { view, tickets: this.#tickets, now });
    if (admission.kind === "refused") return this.#refuse(stream, from, certificate, admission);
    const verdict = judge(admission.claims, view);
    if (verdict.kind === "refused") return this.#refuse(stream, from, certificate, verdict);
    const greeting = new Greeting();
    const channel = new Channel(stream, greeting);
    const greeted = await greeting.of(channel, clock);
    if (greeted.kind === "none") return await this.#record(from, certificate, greeted);
    const refused = await this.#open(from, { admission, channel, hello: greeted.hello });
    if (refused === undefined) return;
    channel.end(refused.end);
    await this.#record(from, certificate, refused);
  }

  /** Begins a session, or goes on with one; what is returned says why neither. */
  async #open(
    { address }: Origin,
    greeted: Omit<Connection, "verdict" | "address">,
  ): Promise<Unwelcome | undefined> {
    const { admission: { claims }, hello } = greeted;
    if (hello.session !== claims.session || hello.app !== claims.app) {
      const message = "The HELLO is for another session than the certificate";
      return { end: { code: "PROTOCOL", message }, because: message };
    }
    if (this.#closing) {
      const message = "The agent is stopping";
      return { end: { code: "AGENT_STOPPING", message }, because: message };
    }
    // Things may have changed while the client made up its mind.
    const verdict = judge(claims, this.#options.view);
    if (verdict.kind === "refused") return verdict;
    const connection: Connection = { ...greeted, address, verdict };
    this.#unreached.heardOf(claims);
    if (hello.resume?.session !== undefined) return this.#resume(hello.resume.session, connection);
    const limits = this.#limitsOf(verdict.app);
    const { sessionsPerApp } = limits;
    const excess = this.#sessions.excess(claims, { ...this.#limits, sessionsPerApp });
    if (excess) return { end: excess, because: excess.message };
    await this.#begin(connection, limits);
  }

  async #begin(connection: Connection, limits: AppLimits): Promise<void> {
    const { appSettings, audit, clock, log, signAppToken, view } = this.#options;
    const { admission: { claims }, verdict: { app } } = connection;
    const session = new Session({
      view,
      audit,
      redactor: this.#options.redactor,
      clock,
      log,
      tasks: this.#tasksOf(app),
      told: this.#told,
      limits,
      rates: this.#rates,
      observer: this.#options.observer?.session(app, claims),
      unreached: this.#unreached,
      egress: (presented, principal) => {
        const app = appSettings?.(presented.name) ?? presented;
        return egressOf({ app, principal, signs: signAppToken !== undefined });
      },
      startUpstream: async (presented, handlers, admitted) =>
        await startSessionServer({
          ...this.#serverOptions(presented),
          principal: () => effectivePrincipal(view, admitted().claims),
          notAfter: () => admitted().certificate.notAfter,
          signAppToken,
        }, handlers),
    }, connection);
    await this.#sessions.keep(session, { id: claims.session, started: clock.now() });
  }

  /**
   * Whoever cannot go on with a session hears the same, whether there is none, it is not theirs,
   * or they do not know its secret.
   */
  #resume(id: string, connection: Connection): Unwelcome | undefined {
    const session = this.#sessions.find(id);
    if (!session?.mayResume(connection)) return unknownSession();
    const { app, bot } = session.claims;
    if (this.#resumes.take({ bot, app, tool: id }, RESUMES) !== undefined) {
      const end = exceeded("resumes", "The session changes its connection too often");
      return { end, because: end.message };
    }
    try {
      session.resume(connection);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const end: End = { code: "PROTOCOL", message: error.message };
      session.end(end, error.message);
      return { end, because: error.message };
    }
  }

  /** Tells a proven but unwelcome client so, and the audit log why. */
  async #refuse(
    stream: tls.TLSSocket,
    from: Origin,
    certificate: CertificateInfo,
    refused: Unwelcome,
  ): Promise<void> {
    await this.#record(from, certificate, refused);
    await sayEnd(stream, refused.end);
  }

  async #record(
    from: Origin,
    certificate: CertificateInfo,
    { end, because }: Unwelcome,
  ): Promise<void> {
    const { audit, log, view } = this.#options;
    const { claims } = certificate;
    log.info("Refused a session", { from: from.address, by: certificate.spiffeId, because });
    if (claims.kind !== "session") return;
    const app = view.app(claims.app);
    this.#options.observer?.refused(app);
    if (end.limit) this.#options.observer?.limited(end.limit);
    const events = new SessionEvents(claims, app);
    await audit.append(events.refusedStart({ address: from.address, end, because }));
  }

  #serverOptions(presented: App) {
    const { clock, log, view } = this.#options;
    const app = this.#settingsOf(presented);
    return {
      app,
      appLimits: this.#limitsOf(app),
      cluster: view.cluster,
      values: this.#values,
      reaper: this.#reaper,
      watch: this.#watch,
      clock,
      log,
    };
  }

  /** What sessions with an app may cost now; those that are open keep what they began with. */
  #limitsOf({ limits, name }: App): AppLimits {
    const { appLimits, appSettings } = this.#options;
    const own = appSettings ? appSettings(name)?.limits : limits;
    return { ...DEFAULT_APP_LIMITS, ...appLimits, ...own };
  }

  /** What the view says is not enough to reach a server where there are settings of our own. */
  #settingsOf(presented: App): App {
    const { appSettings } = this.#options;
    const app = appSettings ? appSettings(presented.name) : presented;
    if (app) return app;
    const message = `Cannot start app "${presented.name}": this agent serves it no more`;
    throw new RelayError("SERVER_START_FAILED", message);
  }

  #tasksOf({ name, uri }: App): TaskRegistry {
    // A server of its own for each session has ids of its own, and they end with it.
    if (appTransport(uri) === "stdio") return new TaskRegistry(GATE_LIMITS.tasks);
    let tasks = this.#tasks.get(name);
    if (tasks === undefined) this.#tasks.set(name, tasks = new TaskRegistry(GATE_LIMITS.tasks));
    return tasks;
  }
}

/** Whoever asks a server for its tools before anybody may call them. */
const NOBODY: Principal = { bot: "", instance: "", roles: [], traits: {} };

/** Makes an agent. */
export function createAgent(options: AgentOptions): Agent {
  return new Agent(options);
}
