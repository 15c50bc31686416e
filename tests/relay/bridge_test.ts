import assert from "node:assert/strict";
import { BridgeClient } from "../support/bridge_client.ts";
import { test } from "../support/harness.ts";
import { fixtureApp, startCluster } from "../support/relay_cluster.ts";
import { testIdentity } from "../support/identity.ts";

test("a message travels from stdin through bridge, port, agent and gate to a server and back", async ({ cleanup }) => {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const client = new BridgeClient(cluster, await testIdentity(cluster));
  cleanup(() => client.stop.abort());
  const init = await client.request(0, "initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "t", version: "1" },
  });
  assert.equal(init.result.serverInfo.name, "fixture");
  const echo = await client.call("1", "echo", { text: "grüß \u2028 dich" });
  assert.equal(echo.result.content[0].text, "grüß \u2028 dich");
  assert.equal(await client.close(), 0);
});
