// The demo server through a whole path in one process: bridge, public port, agent, gate.
import assert from "node:assert/strict";
import { DEMO_APP } from "../../identity/mod.ts";
import { parseRole } from "../../policy/mod.ts";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { CLUSTER, startCluster } from "../support/relay_cluster.ts";

const TOOLS = ["teleport_user_info", "teleport_session_info", "teleport_demo_info"];

/** The role that the original's guide gives for the demo. */
const ROLE = (tools: readonly string[]) =>
  `kind: role
version: v8
metadata: {name: tester}
spec:
  allow:
    app_labels: {teleport.internal/resource-type: demo}
    mcp: {tools: ${JSON.stringify(tools)}}
`;

async function open({ cleanup }: TestContext, tools: readonly string[] = ["*"]) {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  cluster.view.apps.set(DEMO_APP.name, DEMO_APP);
  cluster.view.roles.set("tester", parseRole(ROLE(tools), "demo.yaml"));
  const client = new BridgeClient(cluster, await testIdentity(cluster), { app: DEMO_APP.name });
  cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  const text = async (id: number, name: string, meta: object = {}) => {
    const { result } = await client.request(id, "tools/call", {
      name,
      arguments: {},
      ...meta,
    });
    return result.content[0].text as string;
  };
  return { cluster, client, text };
}

const LEGACY = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

const MODERN = {
  _meta: {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": LEGACY.clientInfo,
    "io.modelcontextprotocol/clientCapabilities": {},
  },
};

test("the demo server tells a bot who it is and which session it has", async (context) => {
  const { client, text } = await open(context);
  const { result } = await client.request(0, "initialize", LEGACY);
  assert.equal(result.serverInfo.name, "teleport-demo");
  assert.equal(result.protocolVersion, "2025-06-18");
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const list = await client.request(1, "tools/list");
  assert.deepEqual(list.result.tools.map(({ name }: Json) => name), TOOLS);
  assert.deepEqual(JSON.parse(await text(2, "teleport_user_info")), {
    name: "bot-robot",
    user_kind: "bot",
    roles: ["tester"],
  });
  assert.deepEqual(JSON.parse(await text(3, "teleport_session_info")), {
    cluster: CLUSTER,
    app: { name: DEMO_APP.name, description: DEMO_APP.description },
    transport: "stdio",
  });
  assert.match(await text(4, "teleport_demo_info"), /demo server/);
});

test("the demo server speaks the newest revision, without a handshake", async (context) => {
  const { client, text } = await open(context);
  const discovered = await client.request(0, "server/discover", MODERN);
  assert.ok(discovered.result.supportedVersions.includes("2026-07-28"));
  const list = await client.request(1, "tools/list", MODERN);
  assert.deepEqual(list.result.tools.map(({ name }: Json) => name), TOOLS);
  assert.match(await text(2, "teleport_user_info", MODERN), /bot-robot/);
});

test("roles decide about the demo server's tools as about any other's", async (context) => {
  const { client, text } = await open(context, ["teleport_demo_*"]);
  await client.request(0, "initialize", LEGACY);
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const list = await client.request(1, "tools/list");
  assert.deepEqual(list.result.tools.map(({ name }: Json) => name), ["teleport_demo_info"]);
  const denied = await client.call(2, "teleport_user_info");
  assert.equal(denied.error.code, -32602);
  assert.match(await text(3, "teleport_demo_info"), /demo server/);
});
