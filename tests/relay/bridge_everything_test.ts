import assert from "node:assert/strict";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { test } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { app, startCluster } from "../support/relay_cluster.ts";

const EVERYTHING = new URL(
  "../../node_modules/@modelcontextprotocol/server-everything/dist/index.js",
  import.meta.url,
).pathname;

test("the reference server works through a bridge: tools, progress, resources, prompts", async ({ cleanup }) => {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  cluster.view.apps.set("everything", app("everything", "node", [EVERYTHING, "stdio"]));
  const client = new BridgeClient(cluster, await testIdentity(cluster), { app: "everything" });
  cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  const initialized = await client.request(0, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
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

  const resources = await client.request(4, "resources/list");
  assert.ok(resources.result.resources.length > 0);
  const prompts = await client.request(5, "prompts/list");
  assert.ok(prompts.result.prompts.length > 0);
});
