// Metrics and traces of real sessions, read as their users read them: Prometheus' text over HTTP,
// and spans as a collector receives them.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { allObservers, createMetrics, createTracing } from "../../relay/telemetry/mod.ts";
import { type Log, silentLog } from "../../identity/mod.ts";
import { Registry, serveDiagnostics } from "../../cli/diagnostics.ts";
import { test, type TestContext } from "../support/harness.ts";
import { connectRaw } from "../support/raw_bridge.ts";
import { fixtureApp, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";
import type { AgentObserver } from "../../relay/telemetry/mod.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async function session(context: TestContext, observer: AgentObserver | undefined) {
  const cluster = await startCluster({ observer });
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  cluster.view.roles.set("tester", testRole("tester", ["echo", "hang", "params"]));
  const bridge = await connectRaw(cluster, await cluster.issue());
  bridge.hello();
  await bridge.welcomed.promise;
  return { cluster, bridge };
}

const call = (id: number, name: string, meta?: unknown) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: { text: "hi" }, ...(meta !== undefined && { _meta: meta }) },
});

test("metrics count sessions, messages and refusals under names that no peer chooses", async (context) => {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const { cluster, bridge } = await session(context, metrics.observer);
  metrics.watch(cluster.agent, { figures: { unspooled: 4, lost: 3, refused: 2, waiting: 1 } });
  const server = await serveDiagnostics({ host: "127.0.0.1", port: 0 }, {
    services: () => ({}),
    registry,
  });
  context.cleanup(() => server.close());
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${server.address.port}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    return (await response.text()).split("\n");
  };

  bridge.send(call(1, "echo")).send(call(2, "shell"));
  bridge.send({ jsonrpc: "2.0", id: 3, method: "made/up-by-the-client" });
  await bridge.until(({ id }) => id === 1);
  await bridge.until(({ id }) => id === 3);
  const open = await scrape();
  for (
    const line of [
      'teleport_mcp_sessions_total{transport="stdio"} 1',
      'teleport_mcp_active_sessions_total{transport="stdio"} 1',
      'teleport_mcp_messages_from_client_total{transport="stdio",type="request",method="tools/call"} 2',
      'teleport_mcp_messages_from_client_total{transport="stdio",type="request",method="unknown"} 1',
      'teleport_mcp_messages_from_server_total{transport="stdio",type="response",method="tools/call"} 1',
      'postern_mcp_messages_stopped_total{app="fixture",from="client",reason="denied"} 1',
      'postern_mcp_request_duration_seconds_count{app="fixture",method="tools/call"} 1',
      "postern_agent_stalled_sessions 0",
      "postern_audit_unspooled_records_total 4",
      "postern_audit_lost_records_total 3",
      "postern_audit_refused_records_total 2",
      "postern_audit_waiting_records 1",
    ]
  ) assert.ok(open.includes(line), `${line} is missing in\n${open.join("\n")}`);
  assert.ok(!open.join().includes("made/up"), "a peer has named a series");

  await cluster.agent.close();
  assert.equal(await bridge.outcome(), "AGENT_STOPPING");
  const closed = await scrape();
  assert.ok(closed.includes('teleport_mcp_active_sessions_total{transport="stdio"} 0'));
  assert.ok(closed.includes('postern_mcp_session_ends_total{reason="AGENT_STOPPING"} 1'));
});

test("metrics count clients that are refused before there is a session", async (context) => {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const cluster = await startCluster({ observer: metrics.observer });
  context.cleanup(() => cluster.close());
  const bridge = await connectRaw(cluster, await cluster.issue());
  bridge.hello();
  assert.equal(await bridge.outcome(), "APP_UNKNOWN");
  assert.match(
    await registry.metrics(),
    /teleport_mcp_setup_errors_total\{transport="unknown"\} 1/,
  );
});

function trace(exporter: string, log: Log = silentLog) {
  return createTracing({ version: "1", cluster: "test", ratio: 1, exporter, log });
}

/** What a span looks like in OTLP's JSON. */
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

/** A collector that takes OTLP over HTTP in JSON. */
async function collector(context: TestContext, status = 200) {
  const spans: OtlpSpan[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    // deno-lint-ignore no-explicit-any
    const body: any = JSON.parse(await new Blob(chunks as BlobPart[]).text());
    // deno-lint-ignore no-explicit-any
    for (const { scopeSpans } of body.resourceSpans as any[]) {
      for (const { spans: batch } of scopeSpans) spans.push(...batch);
    }
    response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.cleanup(() =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    })
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, spans };
}

test("a request is one span between the client's and the server's, and a refusal is its error", async (context) => {
  const { url, spans } = await collector(context);
  const tracing = trace(url);
  const { bridge, cluster } = await session(context, tracing.observer);
  bridge.send(call(1, "params", { traceparent: PARENT, tracestate: "vendor=1", other: 7 }));
  bridge.send(call(2, "shell")).send(call(3, "params")).send(call(4, "hang"));
  const { result } = await bridge.until(({ id }) => id === 1);
  await bridge.until(({ id }) => id === 2);
  const without = await bridge.until(({ id }) => id === 3);
  bridge.stream.destroy();
  await cluster.agent.close();
  await tracing.close();

  const byId = (id: string) => {
    const span = spans.find((span) => attribute(span, "jsonrpc.request.id") === id);
    assert.ok(span, `no span for request ${id}`);
    return span;
  };
  const first = byId("1");
  assert.equal(first.name, "tools/call params");
  assert.equal(first.kind, 2, "the agent is the server of this span");
  assert.equal(first.traceId, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.equal(first.parentSpanId, "00f067aa0ba902b7");
  assert.equal(attribute(first, "gen_ai.tool.name"), "params");
  assert.equal(attribute(first, "mcp.method.name"), "tools/call");
  const seen = JSON.parse(result.content[0].text);
  assert.deepEqual(seen._meta, {
    traceparent: `00-${first.traceId}-${first.spanId}-01`,
    tracestate: "vendor=1",
    other: 7,
  });
  assert.deepEqual(seen.arguments, { text: "hi" });

  const denied = byId("2");
  assert.equal(denied.name, "tools/call", "a name that no role grants names no span");
  assert.equal(denied.status.code, 2);
  assert.equal(attribute(denied, "error.type"), "denied");
  assert.equal(attribute(denied, "rpc.response.status_code"), "-32602");

  const own = byId("3");
  assert.ok(!own.parentSpanId);
  assert.equal(
    JSON.parse(without.result.content[0].text)._meta.traceparent,
    `00-${own.traceId}-${own.spanId}-01`,
  );
  assert.equal(attribute(byId("4"), "error.type"), "session_ended");
});

test("a client's trace that is not sampled stays so, and a malformed one starts anew", async (context) => {
  const { url, spans } = await collector(context);
  const tracing = trace(url);
  const observer = allObservers([createMetrics(new Registry()).observer, tracing.observer]);
  const { bridge, cluster } = await session(context, observer);
  bridge.send(call(1, "params", { traceparent: PARENT.replace(/01$/, "00") }));
  bridge.send(call(2, "params", { traceparent: "00-nonsense" }));
  const unsampled = await bridge.until(({ id }) => id === 1);
  const anew = await bridge.until(({ id }) => id === 2);
  bridge.stream.destroy();
  await cluster.agent.close();
  await tracing.close();
  const parentOf = (answer: typeof anew) =>
    JSON.parse(answer.result.content[0].text)._meta.traceparent;
  assert.match(parentOf(unsampled), /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/);
  assert.match(parentOf(anew), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.deepEqual(spans.map((span) => attribute(span, "jsonrpc.request.id")), ["2"]);
});

test("spans that no collector takes are said to be lost", async (context) => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
  const { url } = await collector(context, 400);
  const tracing = trace(url, log);
  const { bridge, cluster } = await session(context, tracing.observer);
  bridge.send(call(1, "echo"));
  await bridge.until(({ id }) => id === 1);
  await cluster.agent.close();
  await tracing.close();
  assert.deepEqual(warnings, ["Cannot send traces"]);
});

function attribute({ attributes }: OtlpSpan, key: string): string | undefined {
  return attributes.find((attribute) => attribute.key === key)?.value.stringValue;
}
