// What a session keeps in memory, with a server and a client that are played: each test stops
// where the state says so.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type App, DEFAULT_APP_LIMITS, silentLog, systemClock } from "../../identity/mod.ts";
import { createCa, readCertificate } from "../../identity/x509/mod.ts";
import { admit, judge } from "../../relay/agent/admission.ts";
import type { Egress } from "../../relay/agent/egress.ts";
import { CallRates } from "../../relay/agent/call_rate.ts";
import { Greeting } from "../../relay/agent/greeting.ts";
import { DEFAULT_AGENT_LIMITS } from "../../relay/agent/mod.ts";
import { Session } from "../../relay/agent/session.ts";
import { readOutgoing } from "../../relay/http/outgoing.ts";
import { Unreached } from "../../relay/agent/unreached.ts";
import type { Upstream, UpstreamHandlers } from "../../relay/agent/upstream/upstream.ts";
import { UsedTickets } from "../../relay/agent/used_tickets.ts";
import { TaskRegistry } from "../../relay/gate/tasks.ts";
import { Channel, type ChannelHandlers } from "../../relay/wire/channel.ts";
import { FrameType } from "../../relay/wire/frame.ts";
import type { End } from "../../relay/wire/handshake.ts";
import { DEFAULT_WINDOW } from "../../relay/wire/outbox.ts";
import { duplexPair } from "../support/duplex_pair.ts";
import { ToldDefinitions } from "../../relay/agent/told_definitions.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testRole } from "../support/role.ts";
import { CLUSTER, type Cluster, fixtureApp, startCluster } from "../support/relay_cluster.ts";

const MIB = 1024 * 1024;

/** A server that does what a test does with it. */
class PlayedServer implements Upstream {
  readonly received: string[] = [];
  handlers!: UpstreamHandlers;
  paused = false;
  congested = false;
  held = 0;
  #room = Promise.withResolvers<void>();
  #waiting: (() => void)[] = [];

  start = (_app: App, handlers: UpstreamHandlers): Promise<Upstream> => {
    this.handlers = handlers;
    return Promise.resolve(this);
  };
  send(message: Uint8Array): void {
    this.received.push(Buffer.from(message).toString());
    this.#wake();
  }
  /** What it keeps for later. */
  waiting: Uint8Array[] = [];
  recall(mayGo: (request: Uint8Array) => boolean): void {
    this.waiting = this.waiting.filter(mayGo);
  }
  room = () => this.congested ? this.#room.promise : Promise.resolve();
  /** Takes what comes again. */
  relax(): void {
    this.congested = false;
    this.#room.resolve();
  }
  pause(): void {
    this.paused = true;
    this.#wake();
  }
  resume(): void {
    this.paused = false;
    this.#wake();
  }
  close = () => Promise.resolve();
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A bridge that passes messages on when a test says so. */
class PlayedBridge implements ChannelHandlers {
  readonly welcomed = Promise.withResolvers<void>();
  readonly closed = Promise.withResolvers<void>();
  channel!: Channel;
  ended: End | undefined;
  eager = false;
  received = 0;
  last = "";
  #waiting: (() => void)[] = [];

  onGreeting = () => this.welcomed.resolve();
  onMessage(body: Buffer): void {
    this.received++;
    this.last = body.toString();
    if (this.eager) this.channel.passedOn();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
  onEnd(end: End): void {
    this.ended = end;
  }
  onClose = () => this.closed.resolve();
  /** Passes on what has come, and from now on everything. */
  read(): void {
    this.eager = true;
    for (let i = 0; i < this.received; i++) this.channel.passedOn();
  }
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

async function admitted({ cleanup }: TestContext) {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  const { view } = cluster;
  view.apps.set("fixture", fixtureApp("fixture"));
  const { certificate } = await cluster.issue();
  const admitting = admit(readCertificate(certificate), {
    view,
    tickets: new UsedTickets(10),
    now: new Date(),
  });
  return { cluster, admitting };
}

/** A session between the two, just greeted. */
async function open(
  { cleanup }: TestContext,
  { view, audit }: Cluster,
  admission: Awaited<ReturnType<typeof admit>>,
  egress: Egress = { authType: "unknown" },
) {
  assert.ok(admission.kind === "admitted");
  const verdict = judge(admission.claims, view);
  assert.ok(verdict.kind === "allowed");
  const [near, far] = duplexPair();
  const server = new PlayedServer();
  const bridge = new PlayedBridge();
  bridge.channel = new Channel(near, bridge);
  const { session: id, app } = admission.claims;
  const window = DEFAULT_WINDOW;
  bridge.channel.greet(FrameType.HELLO, { session: id, app, client: "test", window });
  const greeting = new Greeting();
  const channel = new Channel(far, greeting);
  const greeted = await greeting.of(channel, systemClock);
  assert.ok(greeted.kind === "hello");
  const session = new Session({
    view,
    audit,
    clock: systemClock,
    log: silentLog,
    tasks: new TaskRegistry(10),
    told: new ToldDefinitions(),
    egress: () => egress,
    limits: DEFAULT_APP_LIMITS,
    rates: new CallRates(systemClock),
    unreached: new Unreached(DEFAULT_AGENT_LIMITS),
    startUpstream: server.start,
  }, { admission, verdict, address: "test", hello: greeted.hello, channel });
  cleanup(async () => {
    bridge.channel.destroy();
    await session.closed;
    await bridge.closed.promise;
  });
  return { server, bridge, session, claims: admission.claims };
}

async function start(context: TestContext, egress?: Egress) {
  const { cluster, admitting } = await admitted(context);
  const it = await open(context, cluster, await admitting, egress);
  await it.bridge.welcomed.promise;
  return { cluster, ...it };
}

const line = (message: object) => Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));

test("a session holds one window and one message for a client that does not read", async (context) => {
  const { bridge, server, session } = await start(context);
  const notice = line({
    method: "notifications/message",
    params: { level: "info", data: "x".repeat(MIB) },
  });
  let sent = 0;
  const flood = () => {
    for (; !server.paused && sent < 64; sent++) {
      server.handlers.onMessage(notice);
      assert.ok(session.held < DEFAULT_WINDOW.bytes + notice.length, `${session.held} bytes`);
    }
  };
  flood();
  assert.equal(server.paused, true);
  assert.equal(session.stalled, true);
  assert.equal(sent, 4);

  // Everything arrives once the client reads, and never is more of it here.
  bridge.read();
  while (sent < 64) {
    await server.until(() => !server.paused);
    flood();
  }
  await bridge.until(() => bridge.received === 64);
});

test("a session holds a bounded part of what a server says while the audit log is slow", async (context) => {
  const { bridge, cluster, server, session } = await start(context);
  for (let id = 1; id <= 64; id++) {
    bridge.channel.send(line({ id, method: "tools/call", params: { name: "echo" } }));
  }
  await server.until(() => server.received.length === 64);
  const written = Promise.withResolvers<void>();
  cluster.audit.before = ({ type }) =>
    type === "mcp.session.response" ? written.promise : Promise.resolve();
  const answer = (id: number) =>
    line({ id, result: { content: [{ type: "text", text: "x".repeat(MIB) }] } });
  let sent = 0;
  const flood = () => {
    while (!server.paused && sent < 64) {
      server.handlers.onMessage(answer(++sent));
      // The lane, and behind it the window, each with the message that fills them.
      const bound = 4 * MIB + DEFAULT_WINDOW.bytes + 2 * answer(sent).length;
      assert.ok(session.held < bound, `${session.held} bytes`);
    }
  };
  flood();
  assert.equal(server.paused, true);
  assert.equal(bridge.received, 0);
  assert.ok(sent < 6, `${sent} answers were taken`);
  bridge.eager = true;
  written.resolve();
  while (sent < 64) {
    await server.until(() => !server.paused);
    flood();
  }
  await bridge.until(() => bridge.received === 64);
});

test("a session takes one window from a client whose server does not read", async (context) => {
  const { bridge, server, session } = await start(context);
  server.congested = true;
  const notice = line({ method: "notifications/message", params: { data: "x".repeat(MIB) } });
  for (let i = 0; i < 16; i++) bridge.channel.send(notice);
  await server.until(() => server.received.length === 1);
  // Three fit into the window: the one that the server has not taken in, and two behind it.
  while (session.held < 3 * notice.length) {
    assert.equal(server.received.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(session.held, 3 * notice.length);
  assert.equal(server.received.length, 1);
  assert.equal(bridge.channel.congested, true);
  server.relax();
  await server.until(() => server.received.length === 16);
});

test("a call that waits while its tool is taken away does not reach the server", async (context) => {
  const { bridge, cluster, server, session } = await start(context);
  server.congested = true;
  const call = (id: number, name: string) => line({ id, method: "tools/call", params: { name } });
  const calls = [call(1, "echo"), call(2, "echo"), call(3, "read")];
  for (const each of calls) bridge.channel.send(each);
  const recorded = () => cluster.audit.events.filter(({ type }) => type === "mcp.session.request");
  while (recorded().length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(server.received, [calls[0]!.toString()]);
  cluster.view.change(() => cluster.view.roles.set("tester", testRole("tester", ["read"])));
  server.relax();
  await server.until(() => server.received.length === 2);
  assert.deepEqual(server.received[1], calls[2]!.toString());
  await bridge.until(() => bridge.received === 1);
  const { id, error } = JSON.parse(bridge.last);
  assert.deepEqual([id, error.code], [2, -32602]);
  const [refused] = cluster.audit.events.filter(({ code }) => code === "PMCP001E");
  assert.equal(refused?.["decision_id"], recorded()[1]?.["decision_id"]);
  assert.equal(session.ended, false);
});

test("a call that waits for its turn at the server is taken back with its tool", async (context) => {
  const { bridge, cluster, server } = await start(context);
  for (const [id, name] of [[1, "echo"], [2, "read"]] as const) {
    bridge.channel.send(line({ id, method: "tools/call", params: { name } }));
  }
  await server.until(() => server.received.length === 2);
  server.waiting = server.received.map((text) => Buffer.from(text));
  cluster.view.change(() => cluster.view.roles.set("tester", testRole("tester", ["read"])));
  assert.deepEqual(server.waiting.map(String), [server.received[1]]);
  await bridge.until(() => bridge.received === 1);
  const { id, error } = JSON.parse(bridge.last);
  assert.deepEqual([id, error.code], [1, -32602]);
  const [asked, refused] = cluster.audit.events.filter(({ decision_id }) =>
    decision_id !== undefined && String(error.data).includes(String(decision_id))
  );
  assert.deepEqual([asked?.code, refused?.code], ["TMCP003I", "PMCP001E"]);
});

test("requests are recorded with the headers of now, and answers without", async (context) => {
  let team = "day";
  const { bridge, cluster, server } = await start(context, {
    authType: "unknown",
    get headers() {
      return { "X-Team": [team] };
    },
  });
  const ask = async (id: number) => {
    bridge.channel.send(line({ id, method: "tools/call", params: { name: "echo" } }));
    await server.until(() => server.received.length === id);
    server.handlers.onMessage(line({ id, result: { content: [] } }));
  };
  await ask(1);
  // As when a trait of the bot changes.
  cluster.view.change(() => void (team = "night"));
  await ask(2);
  await bridge.until(() => bridge.received === 2);
  const recorded = (type: string) => cluster.audit.of(type).map((event) => event["headers"]);
  assert.deepEqual(recorded("mcp.session.start"), [{ "X-Team": ["day"] }]);
  assert.deepEqual(recorded("mcp.session.request"), [
    { "X-Team": ["day"] },
    { "X-Team": ["night"] },
  ]);
  assert.deepEqual(recorded("mcp.session.response"), [undefined, undefined]);
});

test("what the agent asks a server itself is recorded as its own, in the session", async (context) => {
  const { cluster, server, claims } = await start(context);
  const request = line({ id: "a", method: "tools/list", params: { cursor: "c" } });
  await server.handlers.onAsk?.({ message: readOutgoing(request), because: "why" });
  const [event] = cluster.audit.events.filter(({ type }) => type === "mcp.agent.request");
  const { code, from, because, message, bytes, sid, app_name } = event!;
  assert.deepEqual({ code, from, because, bytes, sid, app_name }, {
    code: "PMCP004I",
    from: "agent",
    because: "why",
    bytes: request.length,
    sid: claims.session,
    app_name: claims.app,
  });
  assert.deepEqual(message, JSON.parse(request.toString()));
});

test("what a server says to a session that is over harms nobody, even if it cannot be recorded", async (context) => {
  const { cluster, server, session } = await start(context);
  // As a server does that has not heard of the end yet.
  const closing = Promise.withResolvers<void>();
  server.close = () => closing.promise;
  session.end({ code: "AGENT_STOPPING", message: "The agent is stopping" });
  cluster.audit.before = () => Promise.reject(new Error("disk full"));
  server.handlers.onMessage(line({ id: 7, result: {} }));
  server.handlers.onListen?.({ resumed: false });
  // A rejection that nobody hears would end the process, and fails the test.
  await new Promise((resolve) => setTimeout(resolve, 0));
  closing.resolve();
  await session.closed;
});

test("a CA that is taken away while a session is admitted is not overlooked", async (context) => {
  const { cluster, admitting } = await admitted(context);
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 3_600_000) };
  const next = await createCa({ cluster: CLUSTER, kind: "user", ...validity });
  const admission = await admitting;
  cluster.view.change(() => cluster.view.cas = [next.certificate]);
  const { bridge } = await open(context, cluster, admission);
  await bridge.closed.promise;
  assert.equal(bridge.ended!.code, "CERTIFICATE_REFUSED");
});
