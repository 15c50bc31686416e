// How many sessions there may be and for how long; each limit is named to whoever meets it.
import assert from "node:assert/strict";
import { test, type TestContext } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { connectRaw } from "../support/raw_bridge.ts";
import { fixtureApp, startCluster } from "../support/relay_cluster.ts";
import type { AppLimits } from "../../identity/mod.ts";
import type { AgentLimits } from "../../relay/agent/mod.ts";

async function setUp(
  context: TestContext,
  limits: Partial<AppLimits & AgentLimits>,
  clock?: ManualClock,
) {
  // The agent takes from each what it knows.
  const cluster = await startCluster({ limits, appLimits: limits, ...(clock && { clock }) });
  context.cleanup(() => cluster.close());
  for (const name of ["fixture", "second"]) cluster.view.apps.set(name, fixtureApp(name));
  return {
    cluster,
    async open(claims: { bot?: string; app?: string } = {}) {
      const bridge = await connectRaw(cluster, await cluster.issue({ claims }));
      bridge.hello();
      return bridge;
    },
  };
}

for (
  const { limit, first, refused, fits } of [
    {
      limit: "sessionsPerBot",
      first: { bot: "a" },
      refused: { bot: "a", app: "second" },
      fits: { bot: "b" },
    },
    {
      limit: "sessionsPerApp",
      first: { bot: "a" },
      refused: { bot: "b" },
      fits: { bot: "b", app: "second" },
    },
    {
      limit: "sessions",
      first: { bot: "a" },
      refused: { bot: "b", app: "second" },
      fits: undefined,
    },
  ] as const
) {
  test(`a session beyond ${limit} is refused by its name, and fits once another has ended`, async (context) => {
    const { cluster, open } = await setUp(context, { [limit]: 1 });
    const one = await open(first);
    await one.welcomed.promise;
    const two = await open(refused);
    assert.equal(await two.outcome(), "LIMIT_EXCEEDED");
    const named = limit.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    assert.match(two.ended?.message ?? "", new RegExp(`\\(${named}\\)$`));
    const [start] = cluster.audit.of("mcp.session.start");
    assert.equal(start?.["code"], "TMCP001E");
    if (fits) await (await open(fits)).welcomed.promise;
    one.stream.destroy();
    while (cluster.agent.sessions > (fits ? 1 : 0)) await new Promise((r) => setTimeout(r, 1));
    await (await open(refused)).welcomed.promise;
  });
}

test("a session without messages ends after the idle time, and not before", async (context) => {
  const clock = new ManualClock();
  const { open } = await setUp(context, { idleMs: 60_000 }, clock);
  const bridge = await open();
  await bridge.welcomed.promise;
  clock.advance(59_000);
  bridge.send({ jsonrpc: "2.0", id: 1, method: "ping" });
  await bridge.until(({ id }) => id === 1);
  clock.advance(59_000);
  bridge.send({ jsonrpc: "2.0", id: 2, method: "ping" });
  await bridge.until(({ id }) => id === 2);
  clock.advance(60_000);
  assert.equal(await bridge.outcome(), "LIMIT_EXCEEDED");
  assert.equal(bridge.ended?.message, "Nobody has said anything for 60 s (idle_timeout)");
});

test("a session ends when it has lasted as long as it may", async (context) => {
  const clock = new ManualClock();
  const { open } = await setUp(context, { durationMs: 600_000 }, clock);
  const bridge = await open();
  await bridge.welcomed.promise;
  clock.advance(599_999);
  bridge.send({ jsonrpc: "2.0", id: 1, method: "ping" });
  await bridge.until(({ id }) => id === 1);
  clock.advance(1);
  assert.equal(await bridge.outcome(), "LIMIT_EXCEEDED");
  assert.match(bridge.ended?.message ?? "", /as long as it may, 600 s \(max_duration\)$/);
});

test("a tool that is called too often is refused, by bot and tool, and again allowed after the wait", async (context) => {
  const clock = new ManualClock();
  const cluster = await startCluster({ appLimits: { callsPerSecond: 2, callsBurst: 2 }, clock });
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const open = async (bot: string) => {
    const bridge = await connectRaw(cluster, await cluster.issue({ claims: { bot } }));
    bridge.hello();
    let id = 0;
    return async (name: string) => {
      const asked = ++id;
      const params = { name, arguments: { text: "hi" } };
      bridge.send({ jsonrpc: "2.0", id: asked, method: "tools/call", params });
      return await bridge.until(({ id }) => id === asked);
    };
  };
  const [a, again, b] = [await open("a"), await open("a"), await open("b")];
  assert.ok((await a("echo")).result);
  assert.ok((await again("echo")).result);
  const { error } = await a("echo");
  assert.equal(error.message, "This tool is called too often: try again in 0.5 s");
  assert.equal(error.data, "limit calls_per_second, retry after 500 ms");
  assert.ok((await a("env")).result, "another tool has a rate of its own");
  assert.ok((await b("echo")).result, "and so has another bot");
  const refused = cluster.audit.of("mcp.session.request").filter(({ code }) => code === "TMCP003E");
  assert.deepEqual(refused.map(({ status }) => (status as { reason: string }).reason), [
    "rate_limit",
  ]);
  clock.advance(500);
  assert.ok((await a("echo")).result);
});
