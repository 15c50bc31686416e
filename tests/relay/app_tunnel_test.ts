// A tunnel in front of a real agent and a real server: what HTTP-speaking clients meet.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { request as httpRequest } from "node:http";
import { fileURLToPath } from "node:url";
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { IdentityError, type IdentityErrorCode, silentLog } from "../../identity/mod.ts";
import { Tunnel, type TunnelOptions } from "../../relay/app_tunnel/mod.ts";
import type { Json } from "../support/bridge_client.ts";
import { test, type TestContext } from "../support/harness.ts";
import { MODERN_META } from "../support/http_upstream.ts";
import { testIdentity } from "../support/identity.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { app, fixtureApp, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";
import { runtimeCommand } from "../support/runtime_command.ts";

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};
const CONFORMANCE = fileURLToPath(new URL("../fixtures/conformance/main.ts", import.meta.url));

async function start(context: TestContext, changes: Partial<TunnelOptions> = {}) {
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const tunnel = new Tunnel({
    name: "front",
    app: "fixture",
    proxy: cluster.proxy,
    listen: { host: "127.0.0.1", port: 0 },
    allowedHosts: [],
    client: "tbot/test",
    log: silentLog,
    connectAuthority: () => cluster.authority,
    ...changes,
  });
  await tunnel.listen();
  context.cleanup(() => tunnel.close());
  tunnel.use(await testIdentity(cluster));
  return { cluster, tunnel, http: new Caller(tunnel.url) };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The messages of a stream, or the one of a document. */
  readonly messages: Json[];
}

/** HTTP as raw as these tests need it; `fetch` would choose headers of its own. */
class Caller {
  readonly #url: URL;
  session: string | undefined;

  constructor(url: string) {
    this.#url = new URL(url);
  }

  send(
    method: string,
    { body, headers = {}, path = "/mcp", cut = false }: {
      body?: unknown;
      headers?: Record<string, string>;
      path?: string;
      /** Hang up once the headers of the answer are there. */
      cut?: boolean;
    } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        host: this.#url.hostname,
        port: this.#url.port,
        path,
        method,
        agent: false,
        headers: {
          ...(body !== undefined && { "content-type": "application/json" }),
          accept: "application/json, text/event-stream",
          ...(this.session !== undefined && { "mcp-session-id": this.session }),
          ...headers,
        },
      }, (response) => {
        const { statusCode: status = 0, headers } = response;
        if (cut) {
          request.destroy();
          return resolve({ status, headers, messages: [] });
        }
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => data);
          const stream = headers["content-type"] === "text/event-stream";
          const documents = stream ? events : text === "" ? [] : [text];
          resolve({ status, headers, messages: documents.map((it) => JSON.parse(it)) });
        });
      });
      request.on("error", (error) => cut || reject(error));
      request.end(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body));
    });
  }

  post(message: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("POST", { body: { jsonrpc: "2.0", ...message }, headers });
  }

  async initialize(): Promise<Answer> {
    const answer = await this.post({ id: 0, method: "initialize", params: INITIALIZE });
    this.session = String(answer.headers["mcp-session-id"]);
    const told = await this.post({ method: "notifications/initialized" });
    assert.deepEqual([told.status, told.messages], [202, []]);
    return answer;
  }

  call(id: number | string, name: string, args: object = {}): Promise<Answer> {
    return this.post({ id, method: "tools/call", params: { name, arguments: args } });
  }
}

const textOf = (answer: Json): string => answer.result.content[0].text;

test(
  "the SDK's own client uses a tunnel with no credential, and sees what its roles allow",
  async (context) => {
    const { cluster, tunnel } = await start(context);
    cluster.view.roles.set("tester", testRole("tester", ["echo"]));
    const client = new Client({ name: "test", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(tunnel.url)));
    context.cleanup(() => client.close());
    assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ["echo"]);
    const answer = await client.callTool({ name: "echo", arguments: { text: "grüß \u2028 😀" } });
    assert.deepEqual(answer.content, [{ type: "text", text: "grüß \u2028 😀" }]);
    await assert.rejects(client.callTool({ name: "env", arguments: {} }), { code: -32602 });
    const sessions = cluster.audit.of("mcp.session.start");
    assert.equal(sessions.length, 1);
    assert.ok(
      cluster.audit.of("mcp.session.request").some((event) =>
        JSON.stringify(event).includes("env")
      ),
    );
  },
  { timersOf: "the SDK" },
);

test(
  "a client of 2026-07-28 needs no session, and its streams are answered one by one",
  async (context) => {
    const { cluster, tunnel } = await start(context, { app: "dual" });
    const [command = "", ...args] = runtimeCommand(CONFORMANCE, "stdio");
    cluster.view.apps.set("dual", app("dual", command, args));
    const client = new ModernClient(
      { name: "test", version: "1" },
      { versionNegotiation: { mode: { pin: "2026-07-28" } } },
    );
    await client.connect(new ModernTransport(new URL(tunnel.url)));
    context.cleanup(() => client.close());
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === "test_simple_text"));
    const answers = await Promise.all(
      [1, 2, 3].map(() => client.callTool({ name: "test_simple_text", arguments: {} })),
    );
    for (const { content } of answers) assert.equal((content as Json)[0].type, "text");
  },
  { timersOf: "the SDK" },
);

test("a session is told by its header; without one, or after its end, nothing is passed on", async (context) => {
  const { cluster, http } = await start(context);
  const [greeting] = (await http.initialize()).messages;
  assert.equal(greeting.result.serverInfo.name, "fixture");
  assert.equal(textOf((await http.call(1, "echo", { text: "a" })).messages[0]), "a");
  const id = http.session;
  http.session = undefined;
  assert.equal((await http.call(2, "echo")).status, 400);
  http.session = "0".repeat(36);
  assert.equal((await http.call(2, "echo")).status, 404);
  http.session = id;
  assert.equal((await http.send("DELETE")).status, 204);
  assert.equal((await http.call(3, "echo")).status, 404);
  assert.equal((await http.send("DELETE")).status, 404);
  assert.equal(cluster.audit.of("mcp.session.request").length, 1 + 1);
});

test("a session that the agent ended is over for its client, who begins another", async (context) => {
  const { cluster, http } = await start(context);
  await http.initialize();
  const hanging = http.call(1, "hang");
  await http.call(2, "echo", { text: "b" });
  cluster.view.change(() => {
    cluster.view.state = { kind: "locked", message: "stolen" };
  });
  const [answer] = (await hanging).messages;
  assert.match(answer.error.message, /^\[MCP_TELEPORT_ERROR\] .*unknown/);
  assert.equal((await http.call(3, "echo")).status, 404);
  cluster.view.change(() => {
    cluster.view.state = { kind: "live", roles: ["tester"], traits: {} };
  });
  http.session = undefined;
  await http.initialize();
  assert.equal(textOf((await http.call(4, "echo", { text: "c" })).messages[0]), "c");
});

test("an initialize that opens no session says why, and leaves none", async (context) => {
  const { cluster, http } = await start(context);
  cluster.authority.refuse = new Error("boom");
  const { messages: [answer], status, headers } = await http.post({
    id: 0,
    method: "initialize",
    params: INITIALIZE,
  });
  assert.equal(status, 200);
  assert.match(answer.error.message, /^\[MCP_REQUEST_FAILED\]/);
  http.session = String(headers["mcp-session-id"]);
  assert.equal((await http.call(1, "echo")).status, 404);
});

test("no page of a browser gets through: not by its Origin, its Host, or its kind of body", async (context) => {
  const { cluster, http } = await start(context, { allowedHosts: ["mcp.internal"] });
  const initialize = { jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE };
  const refused: [number, Record<string, string>][] = [
    [403, { origin: "https://evil.example" }],
    [403, { origin: "null" }],
    [403, { origin: "http://localhost.evil.example" }],
    [403, { host: "evil.example" }],
    [403, { host: "127.0.0.1.evil.example:80" }],
    [415, { "content-type": "text/plain" }],
    [415, { "content-type": "application/x-www-form-urlencoded" }],
    [406, { accept: "text/html" }],
  ];
  for (const [status, headers] of refused) {
    const answer = await http.send("POST", { body: initialize, headers });
    assert.equal(answer.status, status, JSON.stringify(headers));
  }
  assert.equal((await http.send("OPTIONS", { headers: {} })).status, 405);
  assert.equal((await http.send("POST", { body: initialize, path: "/" })).status, 404);
  assert.equal(
    (await http.send("GET", { path: "/.well-known/oauth-protected-resource" })).status,
    404,
  );
  assert.equal(cluster.audit.events.length, 0);
  for (
    const headers of [
      { origin: "http://localhost:5173" },
      { host: "[::1]:8080" },
      { host: "MCP.internal:80", origin: "https://mcp.internal" },
    ]
  ) {
    const answer = await http.send("POST", { body: initialize, headers });
    assert.equal(answer.status, 200, JSON.stringify(headers));
  }
});

test("what is no single strict message is refused before it goes anywhere", async (context) => {
  const { cluster, http } = await start(context);
  await http.initialize();
  // What was sent before has been recorded then.
  await http.call("first", "echo");
  const before = cluster.audit.events.length;
  const bodies: [string, number][] = [
    ["", -32700],
    ["{", -32700],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32600],
  ];
  for (const [body, code] of bodies) {
    const answer = await http.send("POST", { body });
    assert.deepEqual([answer.status, answer.messages[0].error.code], [400, code], body);
  }
  assert.equal(cluster.audit.events.length, before);
});

test("headers that say what the body does not are refused", async (context) => {
  const { http } = await start(context);
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "echo", arguments: { text: "a" }, _meta: MODERN_META },
  };
  const right = {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "echo",
  };
  const without = (name: keyof typeof right) => {
    const { [name]: _, ...rest } = right;
    return rest;
  };
  for (
    const headers of [
      { ...right, "mcp-name": "env" },
      { ...right, "mcp-method": "tools/list" },
      { ...right, "mcp-protocol-version": "2025-11-25" },
      { ...right, "mcp-name": `=?base64?${Buffer.from("env").toString("base64")}?=` },
      without("mcp-name"),
      without("mcp-method"),
      without("mcp-protocol-version"),
    ]
  ) {
    const { status, messages: [answer] } = await http.send("POST", { body: call, headers });
    assert.deepEqual([status, answer.error.code], [400, -32020], JSON.stringify(headers));
  }
  const plain = { ...call, params: { name: "echo" } };
  const older = await http.send("POST", { body: plain, headers: right });
  assert.deepEqual([older.status, older.messages[0].error.code], [400, -32602]);
  const { "io.modelcontextprotocol/clientCapabilities": _, ...bare } = MODERN_META;
  for (
    const [meta, code] of [
      [bare, -32602],
      [{ ...MODERN_META, "io.modelcontextprotocol/protocolVersion": "2025-11-25" }, -32020],
    ] as const
  ) {
    const body = { ...call, params: { ...call.params, _meta: meta } };
    const answer = await http.send("POST", { body, headers: right });
    assert.deepEqual([answer.status, answer.messages[0].error.code], [400, code]);
  }
  const name = `=?base64?${Buffer.from("echo").toString("base64")}?=`;
  const passed = await http.send("POST", { body: call, headers: { ...right, "mcp-name": name } });
  assert.equal(textOf(passed.messages[0]), "a");
});

test("a request that its caller gave up is cancelled at the server, in either era", async (context) => {
  const clock = new ManualClock();
  const { cluster, http } = await start(context, { clock });
  await http.initialize();
  const hanging = http.call("h", "hang");
  await http.post({ method: "notifications/cancelled", params: { requestId: "h" } });
  assert.deepEqual((await hanging).messages, []);
  assert.equal(textOf((await http.call(2, "echo", { text: "on" })).messages[0]), "on");
  const cancelled = () =>
    cluster.audit.of("mcp.session.notification")
      .filter((event) => JSON.stringify(event).includes("notifications/cancelled")).length;
  assert.equal(cancelled(), 1);
  const recorded = new Promise<void>((resolve) => {
    cluster.audit.before = (event) => {
      if (JSON.stringify(event).includes("notifications/cancelled")) resolve();
      return Promise.resolve();
    };
  });
  http.session = undefined;
  const gone = http.send("POST", {
    body: {
      jsonrpc: "2.0",
      id: "m",
      method: "tools/call",
      params: { name: "hang", arguments: {}, _meta: MODERN_META },
    },
    headers: {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "hang",
    },
    cut: true,
  });
  // An answer that is long in coming is a stream, whose head comes before it.
  await clock.sleeping(10_000);
  clock.advance(10_000);
  assert.equal((await gone).headers["content-type"], "text/event-stream");
  await recorded;
});

test("many sessions are bounded: those that nobody uses make room, and busy ones do not", async (context) => {
  const { tunnel, http: first } = await start(context, { maxSessions: 3 });
  await first.initialize();
  const others: Caller[] = [];
  for (let i = 1; i < 3; i++) {
    const other = new Caller(tunnel.url);
    await other.initialize();
    others.push(other);
  }
  // The first one is the oldest, and the only one in use.
  const listening = first.send("GET", { cut: true });
  assert.equal((await listening).status, 200);
  const busy = first.call(1, "hang");
  const another = new Caller(tunnel.url);
  await another.initialize();
  assert.equal((await others[0]!.call(1, "echo")).status, 404);
  assert.equal(textOf((await others[1]!.call(1, "echo", { text: "x" })).messages[0]), "x");
  assert.equal((await first.send("DELETE")).status, 204);
  await busy;
});

test("ten megabytes go through a tunnel both ways, and more than a message may have does not", async (context) => {
  const { http } = await start(context);
  await http.initialize();
  const text = "x".repeat(10 * 1024 * 1024);
  assert.equal(textOf((await http.call(1, "echo", { text })).messages[0]), text);
  const answer = await http.call(2, "echo", { text: "x".repeat(17 * 1024 * 1024) })
    .catch((error: NodeJS.ErrnoException) => error.code);
  // It is not read to its end, so that the sender may learn of it by a reset alone.
  assert.ok(
    answer === "ECONNRESET" || answer === "EPIPE" ||
      typeof answer === "object" && answer.status === 413,
  );
  assert.equal(textOf((await http.call(3, "echo", { text: "on" })).messages[0]), "on");
});

test("a tunnel with no identity yet says so, and works once it has one", async (context) => {
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const tunnel = new Tunnel({
    name: "front",
    app: "fixture",
    proxy: cluster.proxy,
    listen: { host: "127.0.0.1", port: 0 },
    allowedHosts: [],
    client: "tbot/test",
    log: silentLog,
    connectAuthority: () => cluster.authority,
  });
  await tunnel.listen();
  context.cleanup(() => tunnel.close());
  const http = new Caller(tunnel.url);
  const early = await http.post({ id: 0, method: "initialize", params: INITIALIZE });
  assert.match(early.messages[0].error.message, /tbot has not won an identity yet/);
  tunnel.use(await testIdentity(cluster));
  await http.initialize();
  assert.equal(textOf((await http.call(1, "echo", { text: "a" })).messages[0]), "a");
});

test("what fails in a tunnel is told in words of tbot, and not of commands that nobody ran", async (context) => {
  const cases: [IdentityErrorCode, RegExp][] = [
    ["CERTIFICATE_EXPIRED", /log of tbot.*journalctl -u tbot$/],
    ["CERTIFICATE_INVALID", /log of tbot/],
    ["ACCESS_DENIED", /role that reaches "fixture", or correct app_name of the tunnel/],
  ];
  const { cluster, http } = await start(context);
  for (const [code, hint] of cases) {
    cluster.authority.refuse = new IdentityError(code, "no");
    const { messages: [answer] } = await http.post({
      id: 0,
      method: "initialize",
      params: INITIALIZE,
    });
    assert.match(answer.error.message, hint);
    assert.doesNotMatch(answer.error.message, /IDENTITY|undefined|tsh/);
  }
});

test("two tunnels cannot have one port, and the second says so", async (context) => {
  const { tunnel } = await start(context);
  const { port } = new URL(tunnel.url);
  await assert.rejects(start(context, { listen: { host: "127.0.0.1", port: Number(port) } }), {
    code: "PORT_IN_USE",
    message: `Cannot listen on 127.0.0.1:${port} for "front": another program listens there`,
  });
});
