import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatIdentityFile, generateKeyPair, IdentityError } from "../../identity/mod.ts";
import { issueCertificate } from "../../identity/x509/mod.ts";
import { BridgeClient, type Json } from "../support/bridge_client.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { app, type Cluster, fixtureApp, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

async function start(
  { cleanup }: TestContext,
  options: ConstructorParameters<typeof BridgeClient>[2] & { prepare?: (c: Cluster) => void } = {},
) {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const { prepare, ...rest } = options;
  prepare?.(cluster);
  const client = new BridgeClient(cluster, await testIdentity(cluster), rest);
  cleanup(() => {
    client.stop.abort();
    return client.exit;
  });
  return { cluster, client };
}

const textOf = (answer: Json): string => answer.result.content[0].text;

test("messages travel from stdin through bridge, port, agent and gate to a server and back", async (context) => {
  const { client } = await start(context);
  const answer = await client.request(0, "initialize", INITIALIZE);
  assert.equal(answer.result.serverInfo.name, "fixture");
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  assert.equal(
    textOf(await client.call("1", "echo", { text: "grüß \u2028 😀" })),
    "grüß \u2028 😀",
  );
  assert.equal(await client.close(), 0);
});

test("ten megabytes travel through a bridge both ways", async (context) => {
  const { client } = await start(context);
  const text = "x".repeat(10 * 1024 * 1024);
  assert.equal(textOf(await client.call(1, "echo", { text })), text);
});

test("300 calls at once, with ids of every kind, each get their own answer", async (context) => {
  const { client } = await start(context);
  const ids = Array.from({ length: 300 }, (_, i) => [i, `${i}`, `ü-${i}`, -i - 1][i % 4]!);
  const answers = await Promise.all(ids.map((id) => client.call(id, "echo", { text: `t${id}` })));
  assert.deepEqual(answers.map(textOf), ids.map((id) => `t${id}`));
  assert.deepEqual(answers.map(({ id }) => id), ids);
});

test("split, joined and CRLF lines are read alike", async (context) => {
  const { client } = await start(context);
  const line = (id: number) => JSON.stringify({ jsonrpc: "2.0", id, method: "ping" });
  client.raw(line(1).slice(0, 9));
  await new Promise((resolve) => setTimeout(resolve, 1));
  client.raw(`${line(1).slice(9)}\r\n${line(2)}\n\n${line(3)}\n`);
  for (const id of [1, 2, 3]) assert.deepEqual((await client.answer(id)).result, {});
});

test("a broken request whose id can be made out does not keep the bridge from ending", async (context) => {
  // The clock stands: only an answer to everything that waits can end the bridge.
  const { client } = await start(context, { clock: new FakeClock(new Date()) });
  await client.request(1, "ping");
  client.raw('{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{]}\n');
  const refusal = await client.until((message) => message.error?.code === -32700);
  assert.equal("id" in refusal, false);
  client.send({
    jsonrpc: "2.0",
    id: 10,
    method: "tools/call",
    params: { name: "echo", arguments: { text: "still served" } },
  });
  assert.equal(await client.close(), 0);
  assert.equal(textOf(await client.answer(10)), "still served");
});

test("answers still under way arrive after the client has closed stdin", async (context) => {
  const { client } = await start(context);
  for (let id = 1; id <= 20; id++) {
    client.send({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "echo", arguments: { text: `${id}` } },
    });
  }
  assert.equal(await client.close(), 0);
  assert.equal(client.received.length, 20);
});

test("a denied tool is refused by the gate, and neither listed nor reached", async (context) => {
  const { client, cluster } = await start(context, {
    prepare: ({ view }) => view.roles.set("tester", testRole("tester", ["echo"])),
  });
  const { result } = await client.request(1, "tools/list");
  assert.deepEqual(result.tools.map(({ name }: Json) => name), ["echo"]);
  const denied = await client.call(2, "die");
  assert.equal(denied.error.code, -32602);
  assert.equal(textOf(await client.call(3, "echo", { text: "alive" })), "alive");
  const requests = cluster.audit.of("mcp.session.request");
  assert.deepEqual(requests.map(({ code, tool }) => [code, tool]), [
    ["TMCP003E", "die"],
    ["TMCP003I", "echo"],
  ]);
});

test("a call is recorded before the server sees it", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const seen = join(directory, "seen");
  const { client, cluster } = await start(context, {
    prepare: ({ view }) => view.apps.set("fixture", app("fixture", "sh", ["-c", `cat > ${seen}`])),
  });
  const recorded = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  cluster.audit.before = (event) => {
    if (event.type !== "mcp.session.request") return Promise.resolve();
    asked.resolve();
    return recorded.promise;
  };
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  client.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "first" } });
  client.send({ jsonrpc: "2.0", id: 2, method: "ping" });
  await asked.promise;
  const read = () => {
    try {
      return readFileSync(seen, "utf8");
    } catch {
      return "";
    }
  };
  while (!read().includes("initialized")) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(read().includes("first"), false);
  recorded.resolve();
  while (!read().includes("ping")) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(read(), /first[^]*ping/);
  client.stop.abort();
});

test("an audit log that cannot be written ends the session, and the call is not made", async (context) => {
  const { client, cluster } = await start(context);
  await client.request(1, "ping");
  cluster.audit.before = ({ type }) =>
    type === "mcp.session.request" ? Promise.reject(new Error("disk full")) : Promise.resolve();
  const { error } = await client.call(2, "die");
  assert.equal(error.code, -32603);
  assert.match(error.message, /^\[MCP_TELEPORT_ERROR\] The session cannot be recorded\./);
});

test("an audit log that is full ends the session by the name of its limit", async (context) => {
  const { client, cluster } = await start(context);
  await client.request(1, "ping");
  const full = new IdentityError("AUDIT_QUEUE_FULL", "The limit audit.queue_limit is reached");
  cluster.audit.before = ({ type }) =>
    type === "mcp.session.request" ? Promise.reject(full) : Promise.resolve();
  const { error } = await client.call(2, "die");
  assert.match(error.message, /cannot be recorded: The limit audit\.queue_limit is reached\./);
});

test("a slow reader holds the server back instead of filling memory", async (context) => {
  const MIB = 1024 * 1024;
  const { client, cluster: { agent, audit } } = await start(context);
  await client.request(1, "ping");
  client.stdout.pause();
  client.send({
    jsonrpc: "2.0",
    id: 2,
    method: "tools/call",
    params: { name: "flood", arguments: { count: 64, size: MIB } },
  });
  // Until the agent no longer reads from the server. Were nobody held back, the answer behind the
  // flood would reach the agent instead.
  const answered = () => audit.of("mcp.session.response").length > 0;
  const check = () => {
    const waiting = client.stdout.readableLength + client.stdout.writableLength;
    assert.ok(agent.held <= 5 * MIB, `${agent.held} bytes wait in the agent`);
    assert.ok(waiting <= 5 * MIB, `${waiting} bytes wait in front of the client`);
    assert.equal(answered(), false);
  };
  while (agent.stalled === 0) {
    check();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  check();
  client.stdout.resume();
  assert.equal(textOf(await client.answer(2)), "done");
  assert.equal(client.received.filter(({ method }) => method !== undefined).length, 64);
  assert.equal(answered(), true);
});

test("a message that is too large is refused by its id, and the next one arrives", async (context) => {
  const { client } = await start(context);
  client.call(1, "echo", { text: "x".repeat(17 * 1024 * 1024) }).catch(() => {});
  const { error } = await client.answer(1);
  assert.equal(error.code, -32600);
  assert.deepEqual((await client.request(2, "ping")).result, {});
});

test("an answer that is too large becomes an error for the call that waits", async (context) => {
  const { client } = await start(context);
  const { error } = await client.call(1, "huge", { size: 17 * 1024 * 1024 });
  assert.equal(error.code, -32603);
  assert.deepEqual((await client.request(2, "ping")).result, {});
});

const failures: [string, RegExp, (cluster: Cluster) => void][] = [
  [
    "the command does not exist",
    /^\[MCP_UPSTREAM_UNREACHABLE\] Cannot start MCP server "fixture": "no-such": command not found\. /,
    ({ view }) => view.apps.set("fixture", app("fixture", "no-such", [])),
  ],
  [
    "the server exits at its start",
    /^\[MCP_UPSTREAM_ERROR\] MCP server "fixture" \("node"\) exited with code 9\. /,
    ({ view }) => view.apps.set("fixture", fixtureApp("fixture", "exit", "9")),
  ],
  [
    "no role opens the app",
    /^\[MCP_TELEPORT_ERROR\] Access to app "fixture" denied\. .*tsh mcp ls -i \/nowhere\/identity --proxy /,
    ({ view }) => view.roles.set("tester", testRole("other", [])) && view.roles.clear(),
  ],
  [
    "the bot is locked",
    /^\[MCP_TELEPORT_ERROR\] Bot "robot" is locked: stolen\./,
    ({ view }) => view.state = { kind: "locked", message: "stolen" },
  ],
  [
    "there is no such app",
    /^\[MCP_TELEPORT_ERROR\] .*tsh mcp ls -i \/nowhere\/identity --proxy /,
    ({ view }) => view.apps.clear(),
  ],
  [
    "the agent has had no news of the authority for too long",
    /^\[MCP_NETWORK_UNAVAILABLE\] .*Try again once the cluster's authority is back/,
    ({ view }) => view.age = "stale",
  ],
  [
    "the authority refuses",
    /^\[MCP_TELEPORT_ERROR\] access denied: identity is not allowed to reissue certificates\. .*allow_reissue: true/,
    ({ authority }) =>
      authority.refuse = new IdentityError(
        "REISSUE_DENIED",
        "access denied: identity is not allowed to reissue certificates",
      ),
  ],
  [
    "the authority cannot be reached",
    /^\[MCP_NETWORK_UNAVAILABLE\] Cannot reach the cluster\. .*curl /,
    ({ authority }) =>
      authority.refuse = new IdentityError("API_UNREACHABLE", "Cannot reach the cluster"),
  ],
];

for (const [why, text, prepare] of failures) {
  test(`when ${why}, every request is answered with that and what to do`, async (context) => {
    const { client } = await start(context, { prepare });
    client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    const [first, second] = await Promise.all([
      client.request(0, "initialize", INITIALIZE),
      client.request("b", "tools/list"),
    ]);
    for (const { error } of [first, second]) {
      assert.equal(error.code, -32603);
      assert.match(error.message, text);
    }
    // Later ones too, and the next of them tries again.
    assert.match((await client.request(2, "ping")).error.message, text);
    assert.equal(await client.close(), 0);
  });
}

test("a bridge whose way was blocked works as soon as it is free", async (context) => {
  const { client, cluster } = await start(context, {
    prepare: ({ authority }) =>
      authority.refuse = new IdentityError("API_UNREACHABLE", "Cannot reach the cluster"),
  });
  assert.match((await client.request(1, "initialize", INITIALIZE)).error.message, /UNAVAILABLE/);
  cluster.authority.refuse = undefined;
  const { result } = await client.request(2, "initialize", INITIALIZE);
  assert.equal(result.serverInfo.name, "fixture");
});

test("a bridge reads its identity file anew for a later session", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const identityPath = join(directory, "identity");
  const used: string[] = [];
  const { client, cluster } = await start(context, {
    identityPath,
    connectAuthority: (options) => {
      used.push(options.credentials!.certificate);
      return {
        ...cluster.authority,
        openSession: () => Promise.reject(new IdentityError("UNAVAILABLE", "Not now")),
      };
    },
  });
  await client.request(1, "ping");
  const renewed = await testIdentity(cluster);
  const sshCertificate = "ecdsa-sha2-nistp256-cert-v01@openssh.com dGVzdA==";
  writeFileSync(identityPath, formatIdentityFile({ ...renewed, sshCertificate }));
  await client.request(2, "ping");
  assert.deepEqual(used.map((certificate) => certificate === renewed.tlsCertificate), [
    false,
    true,
  ]);
});

test("an expired identity is reported without asking anyone", async ({ cleanup }) => {
  const cluster = await startCluster();
  cleanup(() => cluster.close());
  const identity = await testIdentity(cluster, {
    notBefore: new Date(Date.now() - 7_200_000),
    notAfter: new Date(Date.now() - 3_600_000),
  }).catch(() => undefined);
  assert.ok(identity);
  const client = new BridgeClient(cluster, identity, { identityPath: "/opt/machine-id/identity" });
  const { error } = await client.request(1, "initialize", INITIALIZE);
  assert.match(
    error.message,
    /^\[MCP_SESSION_EXPIRED\] .*expired at .*\/opt\/machine-id\/identity.*tbot/,
  );
  assert.equal(cluster.authority.opened.length, 0);
  assert.equal(await client.close(), 0);
});

test("a server that dies in the middle of a call leaves no call without an answer", async (context) => {
  const { client } = await start(context);
  await client.request(1, "initialize", INITIALIZE);
  const hanging = client.call(2, "hang");
  const dying = client.call(3, "die", { code: 7 });
  for (const { error } of await Promise.all([hanging, dying])) {
    assert.equal(error.code, -32603);
    assert.match(
      error.message,
      /^\[MCP_UPSTREAM_ERROR\] MCP server "fixture" \("node"\) exited with code 7\. .*effect is unknown/,
    );
  }
  // Another server stands in, and the client goes on as if nothing had been.
  assert.deepEqual((await client.request(4, "ping")).result, {});
  assert.equal(await client.close(), 0);
});

test("a stopping agent ends the session and says so", async (context) => {
  const { client, cluster } = await start(context);
  await client.request(1, "initialize", INITIALIZE);
  const hanging = client.call(2, "hang");
  await client.call(3, "echo", { text: "" });
  await cluster.agent.close();
  assert.match((await hanging).error.message, /^\[MCP_NETWORK_UNAVAILABLE\] The agent is stopping/);
});

test("losing access ends the session for the client with the reason", async (context) => {
  const { client, cluster } = await start(context);
  await client.request(1, "initialize", INITIALIZE);
  cluster.view.change(() => cluster.view.state = { kind: "locked", message: "" });
  const { error } = await client.request(2, "ping");
  assert.match(error.message, /^\[MCP_TELEPORT_ERROR\] Bot "robot" is locked/);
});

test("without reconnecting, a bridge ends with its session", async (context) => {
  const { client } = await start(context, { reconnect: false });
  client.call(1, "die").catch(() => {});
  assert.equal(await client.exit, 1);
  assert.match((await client.answer(1)).error.message, /^\[MCP_UPSTREAM_ERROR\]/);
});

test("a bridge speaks to no other agent than the one that the authority named", async (context) => {
  const { client, cluster } = await start(context, {
    prepare: ({ authority }) => {
      const open = authority.openSession.bind(authority);
      authority.openSession = async (request) => ({
        ...await open(request),
        agent: `spiffe://test.example.com/agent/${"00".repeat(16)}`,
      });
    },
  });
  const { error } = await client.request(1, "initialize", INITIALIZE);
  assert.match(error.message, /^\[MCP_TELEPORT_ERROR\] Cannot trust the agent behind /);
  assert.deepEqual(cluster.audit.events, []);
});

test("an agent that speaks another version of the protocol is no stranger", async (context) => {
  const other = tls.createServer({ ALPNProtocols: ["postern/2"], minVersion: "TLSv1.3" });
  const { client, cluster } = await start(context, {
    prepare: (cluster) => {
      const open = cluster.authority.openSession.bind(cluster.authority);
      cluster.authority.openSession = async (request) => {
        const key = generateKeyPair();
        const { certificate } = await issueCertificate(cluster.hostCa, {
          cluster: "test.example.com",
          publicKey: key.publicKey,
          claims: { kind: "host", role: "agent", host: "ab".repeat(16) },
          usage: ["server"],
          notBefore: new Date(),
          notAfter: new Date(Date.now() + 60_000),
        });
        other.setSecureContext({ cert: certificate, key: key.privateKey });
        return await open(request);
      };
    },
    proxy: await new Promise<string>((resolve) =>
      other.listen(0, "127.0.0.1", () => {
        resolve(`127.0.0.1:${(other.address() as net.AddressInfo).port}`);
      })
    ),
  });
  context.cleanup(() => new Promise<void>((resolve) => other.close(() => resolve())));
  const { error } = await client.request(1, "initialize", INITIALIZE);
  assert.match(
    error.message,
    /^\[MCP_PROTOCOL_ERROR\] 127\.0\.0\.1:\d+ does not speak postern\/1\. .*same version/,
  );
  assert.deepEqual(cluster.audit.events, []);
});

test("a port where nothing listens is reported at once", async (context) => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const { client } = await start(context, { proxy: `127.0.0.1:${port}` });
  const { error } = await client.request(1, "initialize", INITIALIZE);
  assert.match(
    error.message,
    /^\[MCP_NETWORK_UNAVAILABLE\] Cannot reach 127\.0\.0\.1:\d+: ECONNREFUSED\. /,
  );
});

test("a bridge that is told to stop says goodbye and ends with 0", async (context) => {
  const { client, cluster } = await start(context);
  await client.request(1, "ping");
  client.stop.abort();
  assert.equal(await client.exit, 0);
  while (cluster.agent.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const [end] = cluster.audit.of("mcp.session.end");
  assert.equal((end!["status"] as { reason: string }).reason, "CLOSED");
});
