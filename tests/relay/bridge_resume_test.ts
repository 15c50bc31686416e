// What a bridge outlives: its connection, its agent, its server, its certificate.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { formatIdentityFile } from "../../identity/mod.ts";
import type { BridgeSettings } from "../../relay/bridge/mod.ts";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { CountingClient, seeded } from "../support/counting_client.ts";
import { Cutter } from "../support/cutter.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { app, startCluster } from "../support/relay_cluster.ts";

const SCRIPT = new URL("../support/counting_server.mjs", import.meta.url).pathname;

async function start(
  context: TestContext,
  settings: BridgeSettings & { identityPath?: string } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), "postern-resume-"));
  context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const effects = join(directory, "effects");
  writeFileSync(effects, "");
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  const serve = (version = "1") =>
    cluster.view.apps.set("fixture", app("fixture", "node", [SCRIPT, effects, version]));
  serve();
  const cutter = await Cutter.open(context, cluster.proxy);
  const identity = await testIdentity(cluster);
  const client = new BridgeClient(cluster, identity, { ...settings, proxy: cutter.address });
  const counting = new CountingClient({ send: (message) => client.send(message) });
  client.onMessage = (message) => counting.take(message);
  context.cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  const state = async (): Promise<Json> => {
    const { result } = await counting.request(`s${states++}`, "tools/call", { name: "state" });
    return JSON.parse(result.content[0].text);
  };
  return { client, cluster, counting, cutter, directory, effects, serve, state };
}
let states = 0;

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

test("a bridge whose connection is cut at any byte loses no call, and makes none twice", async (context) => {
  const seed = Number(process.env["SEED"] ?? 7);
  const random = seeded(seed);
  const { cluster, counting, cutter, effects } = await start(context);
  await counting.greet();
  let faults = 0;
  const work = counting.work(4, () => faults >= 25);
  for (; faults < 25; faults++) await cutter.cutWithin(Math.floor(random() ** 2 * 40_000));
  cutter.heal();
  await work;
  counting.check(effects);
  assert.deepEqual(counting.failures, [], `seed ${seed}`);
  // Certificates that were cut off before they could say what for are recorded as refused.
  const sessions = cluster.audit.of("mcp.session.start").filter(({ code }) => code === "TMCP001I");
  const ends = cluster.audit.of("mcp.session.end").map(({ status }) => status);
  assert.equal(sessions.length, 1, JSON.stringify(ends));
});

test("a cut connection costs neither the server its state nor the client an answer", async (context) => {
  const { cluster, counting, cutter, state } = await start(context);
  await counting.greet();
  const before = await state();
  const asked: unknown[] = [];
  const open = cluster.authority.openSession;
  cluster.authority.openSession = (request) => {
    asked.push(request.agent);
    return open(request);
  };
  cutter.cut();
  assert.deepEqual(await state(), before);
  // Of all agents that may serve the app, the one that has the session.
  assert.deepEqual(asked, [cluster.authority.opened[0]!.agent]);
});

test("while the way is blocked requests wait, and go on once it is free", async (context) => {
  const { counting, cutter, state } = await start(context);
  await counting.greet();
  const before = await state();
  cutter.block();
  const [count, later] = [counting.count(), state()];
  await turn();
  cutter.heal();
  assert.equal(await count, "success");
  assert.deepEqual(await later, before);
});

test("a request waits 45 s for a way, and is then told; an answer that comes later is dropped", async (context) => {
  const clock = new FakeClock(new Date());
  const { client, cluster, counting, cutter, effects, state } = await start(context, { clock });
  await counting.greet();
  const before = await state();
  const hanging = counting.request("hanging", "tools/call", { name: "wait" });
  await state();
  cutter.block();
  // Once the bridge has noticed, whatever is asked waits as well.
  await clock.asleep(2);
  const waiting = counting.request("waiting", "ping");
  const told = Promise.all([hanging, waiting]);
  let answered = false;
  void told.then(() => answered = true);
  for (let waited = 0; !answered; waited += 500) {
    assert.ok(waited < 60_000, "it is told within a minute");
    await turn();
    clock.advance(500);
  }
  const [first, second] = await told;
  assert.match(first.error.message, /^\[MCP_NETWORK_UNAVAILABLE\] .*effect is unknown/);
  assert.match(second.error.message, /^\[MCP_NETWORK_UNAVAILABLE\] /);
  assert.doesNotMatch(second.error.message, /effect is unknown/);
  // The answer comes at last; nobody waits for it, and the client would not know what it is.
  writeFileSync(`${effects}.go`, "");
  cutter.heal();
  // A later request tries anew, and finds the same server. Where an attempt has just failed, the
  // next one comes when time goes on.
  const found = state();
  let settled = false;
  void found.finally(() => settled = true);
  while (!settled) {
    clock.advance(20);
    await turn();
  }
  assert.deepEqual(await found, before);
  while (cluster.audit.of("mcp.session.response").length < 4) await turn();
  await state();
  assert.equal(cluster.agent.sessions, 1);
  assert.equal(readFileSync(effects, "utf8"), "");
  client.stop.abort();
});

test("a session moves to a fresh certificate before its own ends, and the server notices nothing", async (context) => {
  const clock = new FakeClock(new Date());
  const directory = mkdtempSync(join(tmpdir(), "postern-identity-"));
  context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const identityPath = join(directory, "identity");
  const { cluster, counting, state } = await start(context, { clock, identityPath });
  await counting.greet();
  const before = await state();
  // tbot has not renewed the file when the time comes: then it is looked at again.
  clock.advance(clock.next!);
  await clock.asleep(1);
  assert.ok(clock.next! < 61_000, `${clock.next}`);
  assert.equal(cluster.authority.opened.length, 1);
  const renewed = await testIdentity(cluster, { notAfter: new Date(Date.now() + 7_200_000) });
  const sshCertificate = "ecdsa-sha2-nistp256-cert-v01@openssh.com dGVzdA==";
  writeFileSync(identityPath, formatIdentityFile({ ...renewed, sshCertificate }));
  const issue = cluster.authority.openSession;
  cluster.authority.openSession = (request) => issue.call(cluster.authority, request);
  clock.advance(clock.next!);
  while (cluster.audit.of("mcp.session.resume").length === 0) await turn();
  assert.deepEqual(await state(), before);
  assert.equal(cluster.agent.sessions, 1);
});

test("a machine that wakes up goes on over a new connection at once", async (context) => {
  const { cluster, counting, state } = await start(context);
  await counting.greet();
  const before = await state();
  const now = Date.now;
  context.cleanup(() => void (Date.now = now));
  // An hour passes for the wall clock alone, as it does for a machine that sleeps.
  Date.now = () => now() + 3_600_000;
  assert.deepEqual(await state(), before);
  assert.equal(cluster.audit.of("mcp.session.resume").length, 1);
});

test("another server is told what the one before knew, and the client what it has to look at", async (context) => {
  const { counting, state } = await start(context);
  await counting.greet();
  await counting.request("level", "logging/setLevel", { level: "warning" });
  for (const uri of ["test://a", "test://b"]) {
    await counting.request(uri, "resources/subscribe", { uri });
  }
  await counting.request("less", "resources/unsubscribe", { uri: "test://b" });
  const before = await state();
  counting.notices.splice(0);
  const dead = await counting.request("dead", "tools/call", { name: "die" });
  assert.match(
    dead.error.message,
    /^\[MCP_UPSTREAM_ERROR\] .*exited with code 7.*effect is unknown/,
  );
  const after = await state();
  assert.notEqual(after.pid, before.pid);
  assert.equal(after.level, "warning");
  assert.deepEqual(counting.notices.toSorted(), [
    "notifications/resources/list_changed",
    // Once from the bridge, since something may have been missed, and once from the server.
    "notifications/resources/updated",
    "notifications/resources/updated",
    "notifications/tools/list_changed",
  ]);
});

test("another server than the client's own is not passed off as it", async (context) => {
  const { counting, serve, state } = await start(context);
  await counting.greet();
  serve("2");
  await counting.request("dead", "tools/call", { name: "die" });
  for (let i = 0; i < 2; i++) {
    const { error } = await counting.request(`later ${i}`, "ping");
    assert.match(
      error.message,
      /^\[MCP_SERVER_CHANGED\] .*"version":"1".*"version":"2".*Start this/,
    );
  }
  // A client that greets again has met the new one.
  await counting.greet();
  assert.equal((await state()).level, "none");
});

test("open subscriptions of the modern protocol are made again", async (context) => {
  const { counting, state } = await start(context);
  void counting.request("listen", "subscriptions/listen", { notifications: {} });
  await state();
  await counting.request("dead", "tools/call", { name: "die" });
  await state();
  const acknowledged = counting.notices.filter((method) => method.endsWith("/acknowledged"));
  assert.equal(acknowledged.length, 2);
});

test("an answer to a server that is no more is not given to the next one", async (context) => {
  const { client, counting, state } = await start(context);
  await counting.greet();
  // The question of call 3 has id 0, and so has the first one of the next server.
  client.onMessage = (message) => {
    if (message.method !== "roots/list") counting.take(message);
  };
  await counting.count();
  await counting.count();
  const lost = counting.count();
  await client.until(({ method }) => method === "roots/list");
  await counting.request("dead", "tools/call", { name: "die" });
  assert.equal(await lost, "unknown");
  await state();
  // The next server asks under the same id, and the late answer comes before its own.
  client.onMessage = (message) => {
    if (message.method === "roots/list") {
      const roots = [{ uri: "file:///x", name: "late" }];
      client.send({ jsonrpc: "2.0", id: 0, result: { roots } });
    }
    counting.take(message);
  };
  await counting.count();
  await counting.count();
  // This call looks at the name that was answered.
  assert.equal(await counting.count(), "success");
});

test("a server that ends whenever it is started is not started again and again", async (context) => {
  const { cluster, counting } = await start(context);
  await counting.greet();
  cluster.view.apps.set("fixture", app("fixture", "node", ["-e", "process.exit(3)"]));
  await counting.request("dead", "tools/call", { name: "die" });
  const { error } = await counting.request("later", "ping");
  assert.match(error.message, /^\[MCP_UPSTREAM_ERROR\] .*exited with code 3/);
  const starts = cluster.audit.of("mcp.session.start").length;
  assert.ok(starts <= 3, `${starts} sessions`);
});

test("a server that ends as soon as it is greeted is replaced once, and then when it is asked for", async (context) => {
  const { cluster, counting, serve } = await start(context);
  await counting.greet();
  serve("fragile");
  await counting.request("dead", "tools/call", { name: "die" });
  const { error } = await counting.request("later", "tools/call", { name: "wait" });
  assert.match(error.message, /^\[MCP_UPSTREAM_ERROR\] /);
  // A loop would show within that time; without one it decides nothing.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const starts = cluster.audit.of("mcp.session.start").length;
  // The first one, its replacement, the one that was asked for, and that one's replacement.
  assert.ok(starts <= 4, `${starts} sessions`);
});

test("without reconnecting, a bridge ends with its connection, and so does its session", async (context) => {
  const { client, cluster, counting, cutter } = await start(context, { reconnect: false });
  await counting.greet();
  cutter.cut();
  assert.equal(await client.exit, 1);
  while (cluster.agent.sessions > 0) await turn();
});

test("a bridge that is told to stop while its connection is lost stops", async (context) => {
  const { client, counting, cutter } = await start(context);
  await counting.greet();
  cutter.block();
  client.stop.abort();
  assert.equal(await client.exit, 0);
});
