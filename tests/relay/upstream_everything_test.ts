import assert from "node:assert/strict";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { test } from "../support/harness.ts";
import { EVERYTHING, httpApp, INITIALIZE, startNodeServer } from "../support/http_upstream.ts";
import { testIdentity } from "../support/identity.ts";
import { startCluster } from "../support/relay_cluster.ts";

for (
  const { mode, uri } of [
    { mode: "streamableHttp", uri: (port: number) => `mcp+http://127.0.0.1:${port}/mcp` },
    { mode: "sse", uri: (port: number) => `mcp+sse+http://127.0.0.1:${port}/sse` },
  ]
) {
  test(`the reference server works through a bridge over ${mode}`, async (context) => {
    const port = await startNodeServer([EVERYTHING, mode], context);
    const cluster = await startCluster();
    context.cleanup(() => cluster.close());
    cluster.view.apps.set("everything", httpApp("everything", uri(port)));
    const client = new BridgeClient(cluster, await testIdentity(cluster), { app: "everything" });
    context.cleanup(() => {
      client.stop.abort();
      return client.exit;
    });
    const initialized = await client.request(0, "initialize", {
      ...INITIALIZE,
      capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {} } },
    });
    assert.equal(initialized.result.protocolVersion, "2025-11-25");
    client.send({ jsonrpc: "2.0", method: "notifications/initialized" });

    const { result } = await client.request(1, "tools/list");
    assert.ok(result.tools.some(({ name }: Json) => name === "echo"));
    const echo = await client.call(2, "echo", { message: "hello" });
    assert.equal(echo.result.content[0].text, "Echo: hello");

    client.send({
      jsonrpc: "2.0",
      id: 3,
      method: "tools/call",
      params: {
        name: "trigger-long-running-operation",
        arguments: { duration: 0.02, steps: 3 },
        _meta: { progressToken: "p" },
      },
    });
    await client.answer(3);
    const progress = client.received.filter(({ method }) => method === "notifications/progress");
    assert.deepEqual(progress.map(({ params }) => params.progress), [1, 2, 3]);

    // The server asks back in the middle of a call.
    client.send({
      jsonrpc: "2.0",
      id: 4,
      method: "tools/call",
      params: { name: "trigger-sampling-request", arguments: { prompt: "hi", maxTokens: 5 } },
    });
    const asked = await client.until(({ method }) => method === "sampling/createMessage");
    client.send({
      jsonrpc: "2.0",
      id: asked.id,
      result: { role: "assistant", model: "m", content: { type: "text", text: "sampled" } },
    });
    assert.match(JSON.stringify(await client.answer(4)), /sampled/);

    const resources = await client.request(5, "resources/list");
    assert.ok(resources.result.resources.length > 0);
    assert.equal((await client.request(6, "resources/read", { uri: "demo://nothing" })).id, 6);
  });
}
