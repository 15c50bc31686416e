// Calls whose server dies under them: which of them are made again, and which never.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BridgeClient } from "../support/bridge_client.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { app, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";

const SCRIPT = new URL("../support/counting_server.mjs", import.meta.url).pathname;
const UNKNOWN = /^\[MCP_UPSTREAM_ERROR\] .*effect is unknown/;
const MODERN = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };

async function start(context: TestContext, mode: string | undefined, modern = false) {
  const directory = mkdtempSync(join(tmpdir(), "postern-repeat-"));
  context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const effects = join(directory, "effects");
  writeFileSync(effects, "");
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", app("fixture", "node", [SCRIPT, effects]));
  const options = { mcp_repeat_calls: mode ?? "" };
  cluster.view.roles.set("tester", testRole("tester", ["*"], options));
  const client = new BridgeClient(cluster, await testIdentity(cluster));
  context.cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  const _meta = modern ? MODERN : {};
  if (!modern) {
    const params = { protocolVersion: "2025-11-25", capabilities: {} };
    await client.request("hello", "initialize", {
      ...params,
      clientInfo: { name: "t", version: "1" },
    });
    client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }
  const list = (id = "list") => client.request(id, "tools/list", { _meta });
  const call = (name: string) =>
    client.request(name, "tools/call", { name, _meta: { ..._meta, progressToken: `p ${name}` } });
  const made = () => readFileSync(effects, "utf8").trim().split("\n");
  const told = () => client.received.flatMap(({ params }) => params?.progress ?? []);
  return { call, client, cluster, list, made, told };
}

const rows: readonly {
  mode: string | undefined;
  tool: string;
  again: boolean;
  modern?: boolean;
}[] = [
  { mode: undefined, tool: "look", again: false },
  { mode: "read_only", tool: "look", again: true },
  { mode: "read_only", tool: "look", again: true, modern: true },
  { mode: "read_only", tool: "put", again: false },
  { mode: "idempotent", tool: "put", again: true },
  { mode: "idempotent", tool: "add", again: false },
];
for (const { mode, tool, again, modern = false } of rows) {
  const which = `${tool}${modern ? " of a modern client" : ""}`;
  const what = again ? "is made again" : "is answered with an unknown outcome";
  test(`with mcp_repeat_calls ${mode ?? "unset"}, ${which} ${what} when its server dies`, async (context) => {
    const { call, list, made, told } = await start(context, mode, modern);
    await list();
    const { error, result } = await call(tool);
    if (!again) {
      assert.match(error.message, UNKNOWN);
      assert.deepEqual(made(), [tool]);
      // The next session goes on, and knows nothing of the call.
      await list("after");
      assert.deepEqual(made(), [tool]);
      return;
    }
    assert.equal(result?.content[0].text, tool, error?.message);
    assert.deepEqual(made(), [tool, tool]);
    // For the client it was one call, and progress goes up.
    assert.deepEqual(told(), [1, 2]);
  });
}

test("a call that its server dies of each time is not made again for ever", async (context) => {
  const { call, list, made } = await start(context, "read_only");
  await list();
  assert.match((await call("kill")).error.message, UNKNOWN);
  assert.deepEqual(made(), ["kill", "kill"]);
});

test("a tool that the server has not listed to this session is not called again", async (context) => {
  const { call } = await start(context, "idempotent");
  assert.match((await call("look")).error.message, UNKNOWN);
});

test("a call that may no longer be made is not made again", async (context) => {
  const { call, cluster, list, made } = await start(context, "read_only");
  await list();
  const answer = call("look");
  // The next session begins with the role of then.
  const open = cluster.authority.openSession;
  cluster.authority.openSession = (request) => {
    cluster.view.roles.set("tester", testRole("tester", ["put"]));
    return open(request);
  };
  assert.match((await answer).error.message, /^Access to this tool is enforced by your roles/);
  assert.deepEqual(made(), ["look"]);
});

test("a call that could not be made again has an unknown outcome", async (context) => {
  const { call, cluster, list } = await start(context, "read_only");
  await list();
  const answer = call("look");
  const open = cluster.authority.openSession;
  cluster.authority.openSession = (request) => {
    cluster.view.apps.delete("fixture");
    return open(request);
  };
  assert.match((await answer).error.message, /effect is unknown/);
});

test("a call that was withdrawn while its server was replaced gets no answer", async (context) => {
  const { call, client, cluster, list } = await start(context, "read_only");
  await list();
  const open = cluster.authority.openSession;
  cluster.authority.openSession = (request) => {
    client.send({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: "look" },
    });
    return open(request);
  };
  void call("look");
  const { result } = await client.until(({ method }) => method?.endsWith("tools/list_changed"))
    .then(() => client.request("after", "ping"));
  assert.deepEqual(result, {});
  assert.equal(client.received.some(({ id }) => id === "look"), false);
});
