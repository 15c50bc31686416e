// The compiled app-agent, watched as an operator watches it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually, freePort } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

test("app-agent serves health and metrics, and sends the traces of calls", async (context) => {
  const traces: string[] = [];
  const collector = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    traces.push(text);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  context.cleanup(() => {
    collector.close();
    collector.closeAllConnections();
  });
  const collected = (collector.address() as AddressInfo).port;
  const port = await freePort();
  const guide = await Guide.start(context, {
    teleport: `  diag_addr: 127.0.0.1:${port}\n`,
    sections: `tracing_service:
  exporter_url: http://127.0.0.1:${collected}
  sampling_rate_per_million: 1000000
`,
  });
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await ask("/livez")).status, 200);
  assert.equal((await ask("/readyz")).status, 200);

  await guide.join();
  const client = await guide.open();
  assert.equal(await client.call("echo", { message: "hello" }), "Echo: hello");
  const { text } = await ask("/metrics");
  const counted = /^teleport_mcp_messages_from_client_total\{.*method="tools\/call"\} 1$/m;
  assert.match(text, counted);
  assert.match(text, /^postern_audit_lost_records_total 0$/m);
  assert.match(text, /^teleport_mcp_active_sessions_total\{transport="stdio"\} 1$/m);
  await client.close();

  await eventually(
    () => traces.some((batch) => batch.includes('"tools/call echo"')),
    "the span of the call has reached the collector",
  );
  assert.ok(!traces.join().includes("hello"), "arguments are not in traces");
}, { proves: ["watch.metrics", "watch.traces"] });
