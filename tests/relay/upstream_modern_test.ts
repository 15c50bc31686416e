// Streamable HTTP without sessions, as 2026-07-28 has it.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { RelayError } from "../../relay/error.ts";
import type { Json } from "../support/bridge_client.ts";
import { test, type TestContext } from "../support/harness.ts";
import {
  event,
  events,
  httpApp,
  json,
  MODERN_META,
  Reached,
  type Seen,
  SmallServer,
} from "../support/http_upstream.ts";

const result = (id: number | string, value: object = {}) => ({
  jsonrpc: "2.0",
  id,
  result: { resultType: "complete", ...value },
});

const encoded = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`;

async function open(answer: (seen: Seen) => unknown, context: TestContext) {
  const server = await SmallServer.start(answer, context);
  const reached = await Reached.start({ app: httpApp("small", `mcp+${server.url}`) }, context);
  const request = (id: number | string, method: string, params: Json = {}) =>
    reached.request(id, method, { ...params, _meta: { ...MODERN_META, ...params._meta } });
  return { server, reached, request };
}

test("the headers of a request are made from its body", async (context) => {
  const { server, request } = await open(({ body, response }) => {
    response.setHeader("mcp-session-id", "never");
    json(response, result(body.id));
  }, context);
  const cases: { method: string; params: object; name?: string }[] = [
    { method: "server/discover", params: {} },
    { method: "tools/list", params: { name: "not asked for" } },
    { method: "tools/call", params: { name: "echo" }, name: "echo" },
    { method: "tools/call", params: { name: "grüße" }, name: encoded("grüße") },
    { method: "tools/call", params: { name: " edge " }, name: encoded(" edge ") },
    { method: "tools/call", params: { name: "in side" }, name: "in side" },
    { method: "tools/call", params: { name: "=?base64?eA==?=" }, name: encoded("=?base64?eA==?=") },
    {
      method: "tools/call",
      params: { name: "a\r\nx-injected: 1" },
      name: encoded("a\r\nx-injected: 1"),
    },
    { method: "prompts/get", params: { name: "p" }, name: "p" },
    { method: "resources/read", params: { uri: "file:///ü" }, name: encoded("file:///ü") },
    { method: "tasks/get", params: { taskId: "t-1" }, name: "t-1" },
    { method: "tasks/cancel", params: { taskId: "t-2" }, name: "t-2" },
  ];
  for (const [id, { method, params }] of cases.entries()) await request(id, method, params);
  assert.deepEqual(
    server.seen.map(({ headers }) => ({
      version: headers["mcp-protocol-version"],
      method: headers["mcp-method"],
      name: headers["mcp-name"],
      session: headers["mcp-session-id"],
      injected: headers["x-injected"],
    })),
    cases.map(({ method, name }) => ({
      version: "2026-07-28",
      method,
      name,
      session: undefined,
      injected: undefined,
    })),
  );
  // No stream, no session, no message of the agent's own.
  assert.deepEqual(new Set(server.seen.map(({ method }) => method)), new Set(["POST"]));
});

test("arguments that the server wants in headers are put there, from the lists that it sent", async (context) => {
  const property = (header: unknown, type = "string") => ({ type, "x-mcp-header": header });
  const schema = (properties: object) => ({ type: "object", properties });
  const tools = [
    {
      name: "region",
      inputSchema: schema({
        region: property("Region"),
        "with.dot": property("Dot"),
        limits: schema({ max: property("Max", "integer"), dry: property("Dry-Run", "boolean") }),
      }),
    },
    { name: "twice", inputSchema: schema({ a: property("X"), b: property("x") }) },
    { name: "injected", inputSchema: schema({ a: property("A: b\r\nEvil") }) },
    { name: "object", inputSchema: schema({ a: property("A", "object") }) },
  ];
  const { server, request } = await open(
    ({ body, response }) =>
      json(response, result(body.id, body.method === "tools/list" ? { tools } : {})),
    context,
  );
  await request(0, "tools/list");
  const params = async (name: string, args: object) => {
    await request(server.seen.length, "tools/call", { name, arguments: args });
    const { headers } = server.seen.at(-1)!;
    return Object.fromEntries(
      Object.entries(headers).filter(([name]) => name.startsWith("mcp-param-")),
    );
  };
  assert.deepEqual(
    await params("region", {
      region: "Zürich",
      "with.dot": "d",
      limits: { max: 42, dry: false },
      other: "x",
    }),
    {
      "mcp-param-region": encoded("Zürich"),
      "mcp-param-dot": "d",
      "mcp-param-max": "42",
      "mcp-param-dry-run": "false",
    },
  );
  assert.deepEqual(await params("region", { region: null, limits: [] }), {});
  assert.deepEqual(await params("region", { region: "" }), { "mcp-param-region": encoded("") });
  for (const name of ["twice", "injected", "object", "unknown"]) {
    assert.deepEqual(await params(name, { a: "v", b: "w" }), {});
  }
});

test("a server of the SDK finds no fault in the headers", async (context) => {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "sdk", version: "1" });
    const inputSchema = fromJsonSchema<{ text: string; deep?: { n?: number } }>({
      type: "object",
      properties: {
        text: { type: "string", "x-mcp-header": "Text" },
        deep: { type: "object", properties: { n: { type: "integer", "x-mcp-header": "N" } } },
      },
    } as Json);
    server.registerTool("echo", { inputSchema }, ({ text }) => ({
      content: [{ type: "text", text }],
    }));
    return server;
  });
  context.cleanup(() => handler.close());
  const { server, reached, request } = await open(async ({ text, headers, response }) => {
    const answer = await handler.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
        body: text,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }, context);
  const call = { name: "echo", arguments: { text: " ☃ ", deep: { n: 7 } } };
  // Nobody has listed the tools yet; the server says what it misses, and is asked.
  const { result } = await request(1, "tools/call", call);
  assert.equal(result.content[0].text, " ☃ ");
  assert.equal(server.seen.at(-1)!.headers["mcp-param-n"], "7");
  const asked = () => server.seen.splice(0).map(({ body }) => `${body.id} ${body.method}`);
  assert.deepEqual(asked(), ["1 tools/call", "postern-tools-0 tools/list", "1 tools/call"]);
  // Once it is known, nothing is asked any more.
  assert.ok((await request(2, "tools/call", call)).result);
  assert.deepEqual(asked(), ["2 tools/call"]);
  assert.deepEqual(reached.asked.map(({ message }) => message.method), ["tools/list"]);
});

test("tools are asked for only once that is on record", async (context) => {
  const error = { code: -32020, message: "Header mismatch" };
  const { server, reached, request } = await open(
    ({ body, response }) => json(response, { jsonrpc: "2.0", id: body.id, error }, 400),
    context,
  );
  reached.mayAsk = () => {
    assert.deepEqual(server.seen.map(({ body }) => body.method), ["tools/call"]);
    return Promise.reject(new RelayError("AUDIT_UNAVAILABLE", "disk full"));
  };
  assert.match((await request(1, "tools/call", { name: "x" })).error.message, /disk full/);
  assert.deepEqual(server.seen.map(({ body }) => body.method), ["tools/call"]);
});

test("a cancelled request is hung up on, and no notification is sent", async (context) => {
  const { server, reached, request } = await open(
    ({ body, response }) => {
      if (body.method === "tools/call") events(response, ": working\n\n");
      else json(response, result(body.id));
    },
    context,
  );
  const answer = request(1, "tools/call", { name: "slow" });
  const call = await server.until(({ body }) => body.method === "tools/call");
  reached.notify("notifications/cancelled", { requestId: 1, reason: "enough" });
  await call.closed;
  // For the gate alone, which drops it and takes the id for free again.
  assert.match((await answer).error.message, /Cancelled/);
  await request(2, "tools/list");
  assert.deepEqual(server.seen.map(({ body }) => body.method), ["tools/call", "tools/list"]);
});

test("a subscription stays open beside other requests, and an interrupted one is not asked for again", async (context) => {
  let stream: Seen | undefined;
  const { server, reached, request } = await open((seen) => {
    if (seen.body.method !== "subscriptions/listen") {
      return json(seen.response, result(seen.body.id));
    }
    stream = seen;
    const acknowledged = { jsonrpc: "2.0", method: "notifications/subscriptions/acknowledged" };
    events(seen.response, event(acknowledged, "id: e-1\n"));
  }, context);
  const listening = request("sub", "subscriptions/listen", { notifications: {} });
  await reached.until(({ method }) => method?.endsWith("acknowledged"));
  await request(2, "tools/list");
  const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
  stream!.response.write(event(changed));
  await reached.until(({ method }) => method === changed.method);
  stream!.response.destroy();
  assert.match((await listening).error.message, /the connection broke off/);
  assert.equal(server.seen.some(({ method }) => method === "GET"), false);
});

test("errors that come with an HTTP status are the answer, under the id of the request", async (context) => {
  const error = (code: number, message: string, data?: object) => ({ code, message, data });
  const bodies = new Map<string, { status: number; body: unknown }>([
    ["own id", { status: 404, body: { jsonrpc: "2.0", id: 1, error: error(-32601, "No") } }],
    ["no id", { status: 400, body: { jsonrpc: "2.0", error: error(-32022, "Version", { n: 1 }) } }],
    ["null", { status: 400, body: { jsonrpc: "2.0", id: null, error: error(-32020, "Header") } }],
    ["other id", { status: 400, body: { jsonrpc: "2.0", id: 9, error: error(-1, "Other") } }],
    ["no error", { status: 500, body: { message: "at db-7.internal" } }],
    ["a result", { status: 500, body: result(1) }],
  ]);
  for (const [name, { status, body }] of bodies) {
    const { request } = await open(({ response }) => json(response, body, status), context);
    const { error } = await request(1, "tools/call", { name: "x" });
    const known: Record<string, [number, RegExp]> = {
      "own id": [-32601, /^No$/],
      "no id": [-32022, /^Version$/],
      null: [-32020, /^Header$/],
    };
    const [code, message] = known[name] ??
      [
        -32603,
        new RegExp(`^The request to MCP server "small" failed: it answered with HTTP ${status}$`),
      ];
    assert.equal(error.code, code, name);
    assert.match(error.message, message, name);
    if (name === "no id") assert.deepEqual(error.data, { n: 1 });
  }
});
