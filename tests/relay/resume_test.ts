// Sessions that go on over another connection, and whoever would like to go on with somebody
// else's. The agent is real; the bridge is played, and as honest as each test wants it.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Exchange } from "../../relay/wire/exchange.ts";
import { encodeFrame, FrameDecoder, FrameType } from "../../relay/wire/frame.ts";
import type { Resumption } from "../../relay/wire/handshake.ts";
import { DEFAULT_WINDOW } from "../../relay/wire/outbox.ts";
import { test, type TestContext } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { connectRaw, connectTls, type RawBridge } from "../support/raw_bridge.ts";
import { type Cluster, fixtureApp, type Issue, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";

const MIB = 1024 * 1024;

/** A bridge with its messages, from one connection to the next. */
class Traveller {
  readonly exchange = new Exchange();
  readonly bridges: RawBridge[] = [];
  session = "";
  epoch = 0;

  constructor(readonly cluster: Cluster) {}

  get bridge(): RawBridge {
    return this.bridges.at(-1)!;
  }

  /** Everything that has come, over all connections. */
  // deno-lint-ignore no-explicit-any
  get messages(): any[] {
    return this.bridges.flatMap(({ messages }) => messages);
  }

  async connect(resume: Partial<Resumption>, changes: Partial<Issue> = {}): Promise<RawBridge> {
    const issued = await this.cluster.issue(changes);
    const bridge = await connectRaw(this.cluster, issued, {}, this.exchange);
    this.bridges.push(bridge);
    return bridge.hello({ resume });
  }

  async open(changes: Partial<Issue> = {}): Promise<this> {
    const bridge = await this.connect({}, changes);
    await bridge.welcomed.promise;
    this.session = bridge.welcome!.session;
    // The answer shows that the agent has had a frame after WELCOME.
    await this.call(0, "echo", { text: "" });
    return this;
  }

  /** What an honest bridge would show. */
  claim(): Resumption {
    const { secret } = this.bridge.resumable;
    return {
      session: this.session,
      secret,
      received: this.exchange.received,
      epoch: ++this.epoch,
    };
  }

  /** Cuts the connection, and waits until the agent has seen it. */
  async lose(): Promise<void> {
    this.bridge.stream.destroy();
    this.exchange.disconnect();
    // The agent looks after the connection in its next turn; a new one takes many.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async resume(changes: Partial<Resumption> = {}, issue: Partial<Issue> = {}): Promise<RawBridge> {
    const claim = { ...this.claim(), ...changes };
    this.exchange.disconnect();
    const bridge = await this.connect(claim, issue);
    await bridge.welcomed.promise;
    return bridge;
  }

  send(id: number, name: string, args: object): void {
    const params = { name, arguments: args };
    this.bridge.send({ jsonrpc: "2.0", id, method: "tools/call", params });
  }

  call(id: number, name: string, args: object): Promise<unknown> {
    this.send(id, name, args);
    return this.bridge.until((message) => message.id === id);
  }
}

async function setUp(context: TestContext, options: Parameters<typeof startCluster>[0] = {}) {
  const cluster = await startCluster(options);
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  return { cluster, traveller: new Traveller(cluster) };
}

const pidOf = (answer: unknown): number =>
  // deno-lint-ignore no-explicit-any
  JSON.parse((answer as any).result.content[0].text).pid;

test("a session goes on over another connection, with the same server", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  const before = pidOf(await traveller.call(1, "env", {}));
  await traveller.lose();
  assert.equal(cluster.agent.sessions, 1);
  await traveller.resume();
  assert.equal(pidOf(await traveller.call(2, "env", {})), before);
  assert.equal(traveller.bridge.welcome!.session, traveller.session);
  assert.equal(cluster.agent.sessions, 1);
  const [resumed] = cluster.audit.of("mcp.session.resume");
  assert.equal(resumed!["sid"], traveller.session);
  assert.equal(resumed!["resumed_by"], traveller.bridge.issued.claims.session);
  assert.equal(cluster.audit.of("mcp.session.start").length, 1);
});

test("a session goes on once that is recorded, and with the last one who came", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  await traveller.lose();
  const asked = Promise.withResolvers<void>();
  const recorded = Promise.withResolvers<void>();
  cluster.audit.before = ({ type }) => {
    if (type !== "mcp.session.resume") return Promise.resolve();
    asked.resolve();
    return recorded.promise;
  };
  const claim = traveller.claim();
  const first = knock(cluster, claim);
  await asked.promise;
  const second = knock(cluster, { ...claim, epoch: claim.epoch + 1 });
  const outcome = Promise.race([first, second]).then(() => "answered", () => "closed");
  // The one that came first is cut when the second comes, and nobody has had an answer yet.
  assert.equal(await outcome, "closed");
  recorded.resolve();
  assert.equal((await second).first, "WELCOME");
  assert.equal(cluster.audit.of("mcp.session.resume").length, 2);
});

test("a session whose resume cannot be recorded ends", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  await traveller.lose();
  cluster.audit.before = ({ type }) =>
    type === "mcp.session.resume" ? Promise.reject(new Error("disk full")) : Promise.resolve();
  assert.equal((await knock(cluster, traveller.claim())).first, "AUDIT_UNAVAILABLE");
});

test("what was said while nobody was connected arrives once and in order", async (context) => {
  const { traveller } = await setUp(context);
  await traveller.open();
  traveller.send(1, "flood", { count: 300, size: 1000 });
  await traveller.lose();
  for (let id = 2; id < 20; id++) traveller.exchange.send(call(id, `${id}`));
  await traveller.resume();
  await traveller.bridge.until(({ id }) => id === 19);
  const { messages } = traveller;
  assert.equal(messages.filter(({ method }) => method === "notifications/message").length, 300);
  const answers = messages.filter(({ id }) => id >= 1).map(({ id }) => id);
  assert.deepEqual(answers, Array.from({ length: 19 }, (_, at) => at + 1));
});

/** Comes with a claim and a certificate that fits, and does nothing once it was answered. */
async function knock(cluster: Cluster, resume: Resumption) {
  const issued = await cluster.issue();
  const stream = await connectTls(cluster, issued);
  const { session, app } = issued.claims;
  const closed = new Promise((resolve) => stream.once("close", resolve));
  const hello = { session, app, client: "test", window: DEFAULT_WINDOW, resume };
  stream.write(encodeFrame(FrameType.HELLO, 0, Buffer.from(JSON.stringify(hello))));
  const decoder = new FrameDecoder();
  const answer = await new Promise<{ type: number; body: Buffer }>((resolve, reject) => {
    stream.on("data", (chunk: Buffer) => decoder.decode(chunk, resolve));
    stream.on("close", () => reject(new Error("closed without a word")));
  });
  const { code = "WELCOME", limit } = JSON.parse(answer.body.toString());
  return { first: code as string, limit: limit as string | undefined, stream, closed };
}

function call(id: number, text: string): Buffer {
  const params = { name: "echo", arguments: { text } };
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }));
}

test("a message that came and was not acknowledged is not handled twice", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  for (let round = 1; round <= 5; round++) {
    traveller.send(round, "echo", { text: "x" });
    // The connection goes before any acknowledgement can have come back.
    await traveller.lose();
    await traveller.resume();
  }
  await traveller.bridge.until(({ id }) => id === 5);
  const calls = cluster.audit.of("mcp.session.request").filter(({ message }) =>
    (message as { id: number }).id > 0
  );
  assert.deepEqual(calls.map(({ message }) => (message as { id: number }).id), [1, 2, 3, 4, 5]);
  assert.deepEqual(
    traveller.messages.filter(({ id }) => id > 0).map(({ id }) => id),
    [1, 2, 3, 4, 5],
  );
});

test("the connection before is cut by the next one, and nothing of it counts", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  const first = traveller.bridge;
  const closed = new Promise((resolve) => first.stream.once("close", resolve));
  const claim = traveller.claim();
  // The old connection is still open; only its owner has left it.
  const second = await traveller.connect(claim);
  await second.welcomed.promise;
  await closed;
  await traveller.call(1, "echo", { text: "on" });
  assert.equal(cluster.agent.sessions, 1);
});

const strangers: [string, (traveller: Traveller) => Partial<Issue>, Partial<Resumption>][] = [
  ["another secret", () => ({}), { secret: "x".repeat(43) }],
  ["an empty secret", () => ({}), { secret: "" }],
  ["the id of no session", () => ({}), { session: "00000000-0000-4000-8000-000000000000" }],
  ["another bot instance", () => ({ claims: { instance: "ef".repeat(16) } }), {}],
  ["another bot", () => ({ claims: { bot: "other" } }), {}],
  ["another app", () => ({ claims: { app: "second" } }), {}],
];

for (const [what, issue, changes] of strangers) {
  test(`whoever comes with ${what} hears that there is no such session, which goes on`, async (context) => {
    const { cluster, traveller } = await setUp(context);
    cluster.view.apps.set("second", fixtureApp("second"));
    await traveller.open();
    const claim = { ...traveller.claim(), ...changes };
    const stranger = await connectRaw(cluster, await cluster.issue(issue(traveller)));
    stranger.hello({ resume: claim });
    assert.equal(await stranger.outcome(), "SESSION_UNKNOWN");
    assert.equal(stranger.ended!.message, "The session cannot be resumed here");
    await traveller.call(1, "echo", { text: "undisturbed" });
    assert.deepEqual(
      cluster.audit.of("mcp.session.start").map(({ code }) => code),
      ["TMCP001I", "TMCP001E"],
    );
  });
}

test("a secret is good until the next one was used, and then no more", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  const first = traveller.claim();
  await traveller.resume();
  await traveller.call(1, "echo", { text: "the second secret has come" });
  const replayed = await connectRaw(cluster, await cluster.issue());
  const { received } = traveller.exchange;
  replayed.hello({ resume: { ...first, received, epoch: 100 } });
  assert.equal(await replayed.outcome(), "SESSION_UNKNOWN");
  await traveller.call(2, "echo", { text: "undisturbed" });
});

test("a WELCOME that was lost leaves the secret before it good", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  const claim = traveller.claim();
  traveller.exchange.disconnect();
  for (let round = 0; round < 3; round++) {
    const { first, stream } = await knock(cluster, { ...claim, epoch: ++traveller.epoch });
    assert.equal(first, "WELCOME");
    stream.destroy();
  }
  const bridge = await traveller.connect({ ...claim, epoch: ++traveller.epoch });
  await bridge.welcomed.promise;
  await traveller.call(1, "echo", { text: "on" });
});

const lies: [string, (received: number) => number][] = [
  ["more than was ever sent", (received) => received + 1],
  ["less than it has acknowledged", () => 0],
];

for (const [what, received] of lies) {
  test(`a bridge that claims to have had ${what} ends its session`, async (context) => {
    const { cluster, traveller } = await setUp(context);
    await traveller.open();
    // Two answers, so that the first acknowledgement has come before the second question.
    await traveller.call(1, "echo", { text: "" });
    await acknowledged(traveller);
    const claim = traveller.claim();
    const liar = await connectRaw(cluster, await cluster.issue());
    liar.hello({ resume: { ...claim, received: received(claim.received) } });
    assert.equal(await liar.outcome(), "PROTOCOL");
    assert.match(liar.ended!.message, /claims messages that were never sent/);
    while (cluster.agent.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
}

/** The agent has seen what this end has acknowledged, since it answers what came behind it. */
async function acknowledged({ bridge: { channel, stream } }: Traveller): Promise<void> {
  channel.confirm();
  await new Promise((resolve) => setImmediate(resolve));
  const answered = new Promise((resolve) => stream.once("data", resolve));
  stream.write(encodeFrame(FrameType.PING, 7));
  await answered;
}

test("an acknowledgement of what was never sent ends a resumed session", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  await traveller.lose();
  const bridge = await traveller.resume();
  bridge.stream.write(encodeFrame(FrameType.ACK, traveller.exchange.received + 5));
  assert.equal(await bridge.outcome(), "PROTOCOL");
  while (cluster.agent.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

test("of two resumes at once one goes on, and nothing is lost or doubled", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  traveller.exchange.disconnect();
  const claim = traveller.claim();
  const rivals = await Promise.all([knock(cluster, claim), knock(cluster, claim)]);
  // The second one to arrive is no news.
  assert.deepEqual(rivals.map(({ first }) => first).toSorted(), ["SESSION_UNKNOWN", "WELCOME"]);
  const bridge = await traveller.connect({ ...claim, epoch: ++traveller.epoch });
  await bridge.welcomed.promise;
  await Promise.all(rivals.map(({ closed }) => closed));
  await traveller.call(1, "echo", { text: "on" });
  assert.equal(cluster.agent.sessions, 1);
});

test("a session that changes its connection too often is told so, and may later", async (context) => {
  const clock = new ManualClock();
  const { cluster, traveller } = await setUp(context, { clock });
  await traveller.open();
  const claim = traveller.claim();
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 103; round++) {
    const attempt = { ...claim, epoch: ++traveller.epoch };
    const { first, limit, stream } = await knock(cluster, attempt);
    outcomes.set(first, (outcomes.get(first) ?? 0) + 1);
    assert.equal(limit, first === "WELCOME" ? undefined : "resumes");
    stream.destroy();
  }
  assert.deepEqual([...outcomes], [["WELCOME", 100], ["LIMIT_EXCEEDED", 3]]);
  clock.advance(1000);
  traveller.exchange.disconnect();
  const bridge = await traveller.connect({ ...claim, epoch: ++traveller.epoch });
  await bridge.welcomed.promise;
  await traveller.call(1, "echo", { text: "on" });
});

test("an attempt that arrives behind a later one does not cut it", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  traveller.exchange.disconnect();
  const late = traveller.claim();
  const bridge = await traveller.connect({ ...late, epoch: ++traveller.epoch });
  // Not even before the agent has proof that the next secret has arrived.
  await bridge.welcomed.promise;
  const { first } = await knock(cluster, late);
  assert.equal(first, "SESSION_UNKNOWN");
  await traveller.call(1, "echo", { text: "on" });
});

test("locks, roles and expiry are judged anew when a session is resumed", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  await traveller.lose();
  cluster.view.state = { kind: "locked", message: "stolen" };
  const locked = await traveller.connect(traveller.claim());
  assert.equal(await locked.outcome(), "LOCKED");
});

test("what was answered while away is judged by the roles of the return", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  const list = (id: number) => traveller.bridge.send({ jsonrpc: "2.0", id, method: "tools/list" });
  list(1);
  await traveller.bridge.until(({ id }) => id === 1);
  // All three are answered into a connection that nobody reads.
  const { bridge } = traveller;
  bridge.stream.pause();
  traveller.send(2, "env", {});
  traveller.send(3, "echo", { text: "harmless" });
  list(4);
  while (cluster.audit.of("mcp.session.response").length < 3) await turn();
  while (cluster.agent.held === 0) await turn();
  await turn();
  await traveller.lose();
  cluster.view.change(() => cluster.view.roles.set("tester", testRole("tester", ["echo"])));
  await traveller.resume();
  const { messages } = traveller.bridge;
  await traveller.bridge.until(({ method }) => method === "notifications/tools/list_changed");
  await traveller.bridge.until(({ id }) => id === 4);
  const answer = (id: number) => messages.find((each) => (each as { id: number }).id === id);
  // deno-lint-ignore no-explicit-any
  const [env, echo, tools]: any[] = [2, 3, 4].map(answer);
  assert.equal(env.error.code, -32602);
  assert.match(env.error.message, /do not allow this answer any more/);
  assert.equal(echo.result.content[0].text, "harmless");
  assert.deepEqual(tools.result.tools.map(({ name }: { name: string }) => name), ["echo"]);
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

test("a bridge that stays away loses its session after the configured time", async (context) => {
  const clock = new ManualClock();
  const { cluster, traveller } = await setUp(context, {
    clock,
    appLimits: { unreachedMs: 60_000 },
  });
  await traveller.open();
  assert.equal(traveller.bridge.resumable.timeout, 60_000);
  await traveller.lose();
  await clock.sleeping(60_000);
  clock.advance(59_999);
  assert.equal(cluster.agent.sessions, 1);
  clock.advance(1);
  while (cluster.agent.sessions > 0) await turn();
  const [end] = cluster.audit.of("mcp.session.end");
  assert.match(
    (end!["status"] as { message: string }).message,
    /away for 60 s \(unreached_timeout\)/,
  );
  const late = await traveller.connect(traveller.claim());
  assert.equal(await late.outcome(), "SESSION_UNKNOWN");
});

test("a session that nobody reaches ends with its certificate", async (context) => {
  const clock = new ManualClock();
  const { cluster, traveller } = await setUp(context, { clock });
  await traveller.open({ notAfter: new Date(clock.now().getTime() + 600_000) });
  await traveller.lose();
  clock.advance(600_000);
  while (cluster.agent.sessions > 0) await turn();
  const [end] = cluster.audit.of("mcp.session.end");
  assert.equal((end!["status"] as { reason: string }).reason, "CERTIFICATE_EXPIRED");
});

test("a fresh certificate makes a session last longer than its first one", async (context) => {
  const clock = new ManualClock();
  const { cluster, traveller } = await setUp(context, { clock });
  await traveller.open({ notAfter: new Date(clock.now().getTime() + 600_000) });
  clock.advance(500_000);
  await traveller.resume({}, { notAfter: new Date(clock.now().getTime() + 3_600_000) });
  clock.advance(200_000);
  await traveller.call(1, "echo", { text: "on" });
  clock.advance(3_500_000);
  assert.equal(await traveller.bridge.outcome(), "CERTIFICATE_EXPIRED");
  while (cluster.agent.sessions > 0) await turn();
});

test("only so many sessions wait for their bridges: who was lost first goes first", async (context) => {
  const { cluster } = await setUp(context, { limits: { unreachedSessions: 2 } });
  const travellers: Traveller[] = [];
  for (let i = 0; i < 3; i++) {
    const traveller = await new Traveller(cluster).open();
    await traveller.lose();
    travellers.push(traveller);
  }
  while (cluster.agent.sessions > 2) await turn();
  const [first, second] = travellers;
  const gone = await first!.connect(first!.claim());
  assert.equal(await gone.outcome(), "SESSION_UNKNOWN");
  await second!.resume();
  await second!.call(1, "echo", { text: "on" });
});

test("a bridge that dies again and again costs no other bot its session", async (context) => {
  const { cluster } = await setUp(context, { limits: { unreachedSessions: 3 } });
  const asleep = await new Traveller(cluster).open({ claims: { bot: "sleeper" } });
  await asleep.lose();
  for (let i = 0; i < 6; i++) await (await new Traveller(cluster).open()).lose();
  while (cluster.agent.sessions > 3) await turn();
  await asleep.resume({}, { claims: { bot: "sleeper" } });
  await asleep.call(1, "echo", { text: "on" });
});

test("what a killed bridge leaves ends soon after its machine was heard of again", async (context) => {
  const clock = new ManualClock();
  const { cluster, traveller: killed } = await setUp(context, { clock });
  await killed.open();
  await killed.lose();
  const elsewhere = await new Traveller(cluster).open({ claims: { instance: "ef".repeat(16) } });
  clock.advance(700_000);
  assert.equal(cluster.agent.sessions, 2);
  const next = await new Traveller(cluster).open();
  await clock.sleeping(600_000);
  clock.advance(599_999);
  assert.equal(cluster.agent.sessions, 3);
  clock.advance(1);
  while (cluster.agent.sessions > 2) await turn();
  // Those that are there stay, and one that comes back in time is kept again as before.
  await next.lose();
  await next.resume();
  clock.advance(700_000);
  await next.call(1, "echo", { text: "on" });
  await elsewhere.call(1, "echo", { text: "on" });
});

test("sessions that wait hold only so much, and never more than a window each", async (context) => {
  const { cluster, traveller } = await setUp(context, { limits: { unreachedBytes: 2 * MIB } });
  await traveller.open();
  traveller.send(1, "flood", { count: 64, size: MIB });
  await traveller.bridge.until(({ method }) => method !== undefined);
  await traveller.lose();
  while (cluster.agent.sessions > 0) {
    assert.ok(cluster.agent.held < 10 * MIB, `${cluster.agent.held} bytes`);
    await turn();
  }
  const [end] = cluster.audit.of("mcp.session.end");
  assert.match((end!["status"] as { message: string }).message, /\(unreached_memory\)/);
});

test("a server waits while its bridge is away, and loses nothing", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  traveller.send(1, "flood", { count: 64, size: MIB });
  await traveller.bridge.until(({ method }) => method !== undefined);
  await traveller.lose();
  while (cluster.agent.stalled === 0) await turn();
  assert.ok(cluster.agent.held < 10 * MIB, `${cluster.agent.held} bytes`);
  await traveller.resume();
  await traveller.bridge.until(({ id }) => id === 1);
  const notices = traveller.messages.filter(({ method }) => method !== undefined);
  assert.equal(notices.length, 64);
});

test("sessions whose bridge is away make room for those that are there", async (context) => {
  const { cluster, traveller } = await setUp(context, { limits: { sessionsPerBot: 1 } });
  await traveller.open();
  const refused = await new Traveller(cluster).connect({});
  assert.equal(await refused.outcome(), "LIMIT_EXCEEDED");
  await traveller.lose();
  await new Traveller(cluster).open();
  const gone = await traveller.connect(traveller.claim());
  assert.equal(await gone.outcome(), "SESSION_UNKNOWN");
});

test("a session ends with its connection if the bridge cannot resume, and soon if it may have seen no WELCOME", async (context) => {
  const clock = new ManualClock();
  const { cluster } = await setUp(context, { clock });
  const old = await connectRaw(cluster, await cluster.issue());
  await old.hello().welcomed.promise;
  assert.equal(old.welcome!.resume, undefined);
  old.stream.destroy();
  while (cluster.agent.sessions > 0) await turn();
  const early = await connectRaw(cluster, await cluster.issue());
  await early.hello({ resume: {} }).welcomed.promise;
  early.stream.destroy();
  await clock.sleeping(60_000);
  assert.equal(cluster.agent.sessions, 1);
  clock.advance(60_000);
  while (cluster.agent.sessions > 0) await turn();
});

test("a goodbye ends a session that could be resumed", async (context) => {
  const { cluster, traveller } = await setUp(context);
  await traveller.open();
  traveller.exchange.end({ code: "CLOSED", message: "bye" });
  while (cluster.agent.sessions > 0) await turn();
});

const malformed: [string, unknown][] = [
  ["no object", "yes"],
  ["no secret", { session: "x", received: 1 }],
  ["a secret that is no text", { session: "x", secret: 1, received: 1 }],
  ["a negative count", { session: "x", secret: "y", received: -1 }],
  ["a fractional count", { session: "x", secret: "y", received: 0.5 }],
  ["an absurd count", { session: "x", secret: "y", received: 1e300, epoch: 1 }],
  ["no epoch", { session: "x", secret: "y", received: 1 }],
];

for (const [what, resume] of malformed) {
  test(`a HELLO that would resume with ${what} is refused`, async (context) => {
    const { cluster } = await setUp(context);
    const bridge = await connectRaw(cluster, await cluster.issue());
    bridge.hello({ resume: resume as Resumption });
    assert.equal(await bridge.outcome(), "PROTOCOL");
    assert.equal(cluster.agent.sessions, 0);
  });
}
