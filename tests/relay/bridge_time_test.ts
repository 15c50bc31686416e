// How long a bridge waits for others. Its clock moves by hand, so no test takes that long.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { type Cluster, fixtureApp, startCluster } from "../support/relay_cluster.ts";

async function start(
  { cleanup }: TestContext,
  { proxy, prepare }: { proxy?: string; prepare?: (cluster: Cluster) => void } = {},
) {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  prepare?.(cluster);
  const clock = new FakeClock(new Date());
  const identity = await testIdentity(cluster);
  const client = new BridgeClient(cluster, identity, { clock, ...(proxy && { proxy }) });
  cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  return { client, clock, cluster };
}

/** A port that takes connections and never says a word. */
async function silentPort({ cleanup }: TestContext) {
  const taken = Promise.withResolvers<void>();
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    sockets.push(socket);
    taken.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as net.AddressInfo;
  return { proxy: `127.0.0.1:${port}`, taken: taken.promise };
}

test("a port that never answers is given 15 s, and the request is told", async (context) => {
  const { proxy, taken } = await silentPort(context);
  const { client, clock } = await start(context, { proxy });
  const answer = client.request(1, "ping");
  await taken;
  await clock.asleep(1);
  clock.advance(14_999);
  assert.equal(clock.next, 1);
  clock.advance(1);
  const { error }: Json = await answer;
  assert.equal(error.message, `[MCP_CONNECTION_TIMEOUT] Cannot reach ${proxy} within 15 s.`);
  assert.equal(clock.next, undefined);
});

test("an agent that never says WELCOME is given 15 s, and the request is told", async (context) => {
  const asked = Promise.withResolvers<void>();
  // A server over SSE has started once it has named its endpoint, which this one never does.
  const silent = createServer(() => asked.resolve());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const { client, clock, cluster } = await start(context, {
    prepare: ({ view }) => {
      const uri = `mcp+sse+http://127.0.0.1:${port}/sse`;
      view.apps.set("fixture", { name: "fixture", description: "", uri, labels: { env: "test" } });
    },
  });
  // Before the agent is closed, which waits for its servers.
  context.cleanup(() => {
    silent.close();
    silent.closeAllConnections();
  });
  const answer = client.request(1, "ping");
  await asked.promise;
  assert.equal(clock.next, 15_000);
  clock.advance(15_000);
  const { error }: Json = await answer;
  assert.equal(
    error.message,
    '[MCP_CONNECTION_TIMEOUT] App "fixture" did not start within 15 s.',
  );
  assert.equal(clock.next, undefined);
  assert.equal(cluster.agent.sessions, 1);
  assert.deepEqual(cluster.audit.events, []);
});

test("a session that is open waits for nothing but the end of its certificate", async (context) => {
  const { client, clock } = await start(context);
  await client.request(1, "ping");
  // Ten minutes before it; certificates count whole seconds, and it was issued a moment ago.
  assert.ok(Math.abs(clock.next! - 3_000_000) < 2_000, `${clock.next}`);
});

test("a closed stdin gives answers 30 s, and then the bridge leaves with a goodbye", async (context) => {
  const { client, clock, cluster } = await start(context);
  client.call(1, "hang").catch(() => {});
  await client.call(2, "echo", { text: "" });
  const left = client.close();
  await clock.asleep(2);
  assert.equal(clock.next, 30_000);
  clock.advance(30_000);
  assert.equal(await left, 0);
  assert.equal(clock.next, undefined);
  await cluster.agent.close();
  const [end] = cluster.audit.of("mcp.session.end");
  assert.equal((end!["status"] as { reason: string }).reason, "CLOSED");
});

test("a client that leaves waits neither for what it withdrew nor for its subscriptions", async (context) => {
  const { client } = await start(context);
  await client.call(1, "echo", { text: "first" });
  client.send({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "hang" } });
  client.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2 } });
  client.send({ jsonrpc: "2.0", id: "3", method: "subscriptions/listen", params: {} });
  await client.call(4, "echo", { text: "last" });
  // The clock stands still: nothing here ends because enough time has passed.
  assert.equal(await client.close(), 0);
});
