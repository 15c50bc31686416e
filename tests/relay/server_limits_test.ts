// What a server may use, on real processes; and how long it may take to say anything.
import assert from "node:assert/strict";
import process from "node:process";
import type { AppLimits } from "../../identity/mod.ts";
import { LIMIT_NAMES } from "../../relay/limit.ts";
import { createMetrics } from "../../relay/telemetry/metrics.ts";
import { groupUses } from "../../relay/agent/upstream/server_watch.ts";
import { Registry } from "prom-client";
import { test, type TestContext } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { connectRaw } from "../support/raw_bridge.ts";
import { app, fixtureApp, startCluster } from "../support/relay_cluster.ts";

const MIB = 1024 * 1024;
const LINUX = process.platform === "linux";

async function open(
  context: TestContext,
  own: Partial<AppLimits>,
  { served = fixtureApp("fixture"), clock }: {
    served?: ReturnType<typeof app>;
    clock?: ManualClock;
  } = {},
) {
  const registry = new Registry();
  const { observer } = createMetrics(registry);
  const cluster = await startCluster({ observer, ...(clock && { clock }) });
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", { ...served, limits: own });
  cluster.view.apps.set("other", fixtureApp("other"));
  const session = async (app: string) => {
    const bridge = await connectRaw(cluster, await cluster.issue({ claims: { app } }));
    bridge.hello();
    await bridge.welcomed.promise;
    let asked = 0;
    const ask = (method: string, params: object) => {
      bridge.send({ jsonrpc: "2.0", id: ++asked, method, params });
      const id = asked;
      return bridge.until((message) => message.id === id);
    };
    const call = (name: string, args: object) => ask("tools/call", { name, arguments: args });
    return { bridge, ask, call };
  };
  const hits = async () =>
    (await registry.metrics()).split("\n").filter((line) =>
      line.startsWith("postern_limit_hits_total") && !line.endsWith(" 0")
    );
  return { cluster, session, hits };
}

for (
  const { limit, own, tool, args } of [
    {
      limit: "server_memory",
      own: { serverMemory: 300 * MIB },
      tool: "eat",
      args: { mib: 600 },
    },
    {
      limit: "server_processes",
      own: { serverProcesses: 8 },
      tool: "breed",
      args: { count: 12 },
    },
    { limit: "server_cpu_time", own: { serverCpuMs: 1000 }, tool: "burn", args: {} },
  ] as const
) {
  test(
    `a server beyond ${limit} is ended with its session, which is told by name; others go on`,
    async (context) => {
      const { cluster, hits, session } = await open(context, own);
      const other = await session("other");
      const { bridge, call } = await session("fixture");
      const { result } = await call("env", {});
      const { pid } = JSON.parse(result.content[0].text);
      call(tool, args).catch(() => {});
      assert.equal(await bridge.outcome(), "LIMIT_EXCEEDED");
      assert.match(bridge.ended?.message ?? "", new RegExp(`\\(${limit}\\)$`));
      assert.equal((await groupUses(new Set([pid]))).size, 0, "nothing of its group is left");
      const { result: echoed } = await other.call("echo", { text: "still here" });
      assert.equal(echoed.content[0].text, "still here");
      const [end] = cluster.audit.of("mcp.session.end");
      assert.match(JSON.stringify(end), new RegExp(limit));
      assert.deepEqual(await hits(), [`postern_limit_hits_total{limit="${limit}"} 1`]);
    },
    { skip: !LINUX && "only Linux tells what a process group uses" },
  );
}

test("a server has as many open files as it may, and no shell is left between", async (context) => {
  const { session } = await open(context, { serverOpenFiles: 64 });
  const { call } = await session("fixture");
  assert.equal((await call("files", {})).result.content[0].text, "EMFILE");
});

test("a command that does not exist is told of, with a limit for open files too", async (context) => {
  const { session } = await open(context, { serverOpenFiles: 64 }, {
    served: app("fixture", "no-such-command", ["a b", "$(c)"]),
  });
  await assert.rejects(session("fixture"), /UPSTREAM_START_FAILED/);
});

test("a server that does not answer the first request in time is ended; a slow call is not", async (context) => {
  const clock = new ManualClock();
  const { hits, session } = await open(context, { startMs: 5000 }, {
    served: app("fixture", "sleep", ["600"]),
    clock,
  });
  const slow = await session("other");
  await slow.ask("initialize", GREETING);
  const mute = await session("fixture");
  mute.bridge.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: GREETING });
  slow.call("hang", {}).catch(() => {});
  // Answered behind the call that hangs, so both have reached their servers.
  await slow.ask("ping", {});
  await clock.sleeping(5000);
  clock.advance(5000);
  assert.equal(await mute.bridge.outcome(), "LIMIT_EXCEEDED");
  assert.match(mute.bridge.ended?.message ?? "", /within 5 s \(start_timeout\)$/);
  assert.ok((await slow.ask("ping", {})).result);
  assert.deepEqual(await hits(), ['postern_limit_hits_total{limit="start_timeout"} 1']);
});

const GREETING = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "t", version: "1" },
};

test("messages have the size, the depth and the number that the app allows, and errors name it", async (context) => {
  const { hits, session } = await open(context, {
    messageBytes: 10_000,
    messageDepth: 10,
    pendingRequests: 1,
  });
  const { ask, call } = await session("fixture");
  const deep = JSON.parse(`${"[".repeat(9)}${"]".repeat(9)}`);
  assert.equal((await call("echo", { text: "x".repeat(10_000) })).error.data, "limit message_size");
  assert.equal((await call("echo", { text: deep })).error.data, "limit message_depth");
  call("hang", {}).catch(() => {});
  assert.equal((await ask("ping", {})).error.data, "limit pending_requests");
  const counted = ["message_size", "message_depth", "pending_requests"];
  assert.deepEqual(
    (await hits()).toSorted(),
    counted.map((limit) => `postern_limit_hits_total{limit="${limit}"} 1`).toSorted(),
  );
  assert.ok(counted.every((limit) => (LIMIT_NAMES as readonly string[]).includes(limit)));
});

test("an answer beyond the app's size is an error for its caller alone", async (context) => {
  const { hits, session } = await open(context, { messageBytes: 10_000 });
  const { ask, call } = await session("fixture");
  const { error } = await call("huge", { size: 20_000 });
  assert.match(error.message, /too large/);
  assert.ok((await ask("ping", {})).result);
  assert.deepEqual(await hits(), ['postern_limit_hits_total{limit="message_size"} 1']);
});
