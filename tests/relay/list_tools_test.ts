import assert from "node:assert/strict";
import { type App, type Clock, silentLog, systemClock } from "../../identity/mod.ts";
import { LIST_MS, listTools, MAX_TOOLS } from "../../relay/agent/list_tools.ts";
import type { RecordOwn } from "../../relay/agent/own_request.ts";
import { startStdioServer } from "../../relay/agent/upstream/stdio.ts";
import { RelayError } from "../../relay/error.ts";
import { EVERYTHING, nodePath } from "../support/cluster_process.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { fixtureApp } from "../support/relay_cluster.ts";

/** An app whose server is a script of Node. */
function appOf(...args: string[]): App {
  const app = fixtureApp("app");
  return { ...app, mcp: { ...app.mcp!, command: nodePath(), args } };
}

function ask(
  app: App,
  clock: Clock = systemClock,
  onStart = () => {},
  record: RecordOwn = () => Promise.resolve(),
) {
  return listTools({
    app: app.name,
    clock,
    record,
    start: async (handlers) => {
      const upstream = await startStdioServer({ app, log: silentLog }, handlers);
      onStart();
      return upstream;
    },
  });
}

async function names(app: App) {
  return (await ask(app)).map(({ tool }) => tool);
}

/** A server that calls `answer(request)` for each request and writes what that returns. */
function scripted(answer: string): App {
  return appOf(
    "-e",
    `require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const request = JSON.parse(line);
      if (request.id === undefined || request.method === undefined) return;
      const reply = (${answer})(request);
      if (reply) process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id: request.id, ...reply }) + "\\n");
    });`,
  );
}

const HANDSHAKE =
  `method === "initialize" ? { result: { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "s", version: "1" } } }`;

test("all tools of the reference server are listed, as it describes them", async () => {
  const tools = await names(appOf(EVERYTHING, "stdio"));
  const echo = tools.find(({ name }) => name === "echo");
  // Also those that it offers only to clients that take part in sampling and the like.
  assert.ok(tools.some(({ name }) => name === "trigger-sampling-request"), JSON.stringify(tools));
  assert.deepEqual((echo?.["inputSchema"] as { required: string[] }).required, ["message"]);
});

test("every page is read, and a server's own requests are answered", async () => {
  const tools = await names(scripted(`({ method, params }) => ${HANDSHAKE} : (
    process.stdout.write('{"jsonrpc":"2.0","id":"s1","method":"roots/list"}\\n'),
    { result: { tools: [{ name: "t" + (params.cursor ?? "0") }],
      ...(params.cursor === "2" ? {} : { nextCursor: String(Number(params.cursor ?? 0) + 1) }) } })`));
  assert.deepEqual(tools.map(({ name }) => name), ["t0", "t1", "t2"]);
});

test("each request is recorded before it is sent, and not sent otherwise", async () => {
  const recorded: string[] = [];
  const record: RecordOwn = ({ message: { method } }) => {
    recorded.push(method);
    const failed = new RelayError("AUDIT_UNAVAILABLE", "disk full");
    return method === "initialize" ? Promise.resolve() : Promise.reject(failed);
  };
  // The server ends when it is asked for its tools, which would be another error.
  const server = scripted(`({ method, params }) => ${HANDSHAKE} : process.exit(3)`);
  const refused = { code: "AUDIT_UNAVAILABLE" };
  await assert.rejects(ask(server, systemClock, undefined, record), refused);
  assert.deepEqual(recorded, ["initialize", "tools/list"]);
});

test("a server that knows no handshake is asked the modern way", async () => {
  const tools = await names(scripted(`({ method, params }) => method === "initialize"
    ? { error: { code: -32601, message: "Method not found" } }
    : { result: { tools: [{ name: params._meta["io.modelcontextprotocol/protocolVersion"] }] } }`));
  assert.deepEqual(tools.map(({ name }) => name), ["2026-07-28"]);
});

const BROKEN: readonly [title: string, app: App, code: string, message: RegExp][] = [
  [
    "refuses",
    scripted(`({ method, params }) => ${HANDSHAKE} : { error: { code: -1, message: "no" } }`),
    "SERVER_EXITED",
    /refuses to list its tools: no/,
  ],
  [
    "sends one page again and again",
    scripted(`({ method, params }) => ${HANDSHAKE} : { result: { tools: [], nextCursor: "x" } }`),
    "PROTOCOL",
    /the same page again/,
  ],
  [
    "lists no tools but something else",
    scripted(
      `({ method, params }) => ${HANDSHAKE} : { result: { tools: [{ title: "nameless" }] } }`,
    ),
    "PROTOCOL",
    /no list of tools/,
  ],
  [
    "lists too many",
    scripted(
      `({ method, params }) => ${HANDSHAKE} : { result: { tools: Array.from({ length: ${
        MAX_TOOLS + 1
      } }, (_, n) => ({ name: "t" + n })) } }`,
    ),
    "LIMIT_EXCEEDED",
    /more than 10000 tools/,
  ],
  [
    "sends the same key twice",
    appOf(
      "-e",
      `process.stdin.once("data", () => process.stdout.write('{"jsonrpc":"2.0","id":1,"id":1,"result":{}}\\n'))`,
    ),
    "PROTOCOL",
    /same key twice/,
  ],
  ["exits", appOf("-e", "process.exit(3)"), "SERVER_EXITED", /exited with code 3/],
];
for (const [title, app, code, message] of BROKEN) {
  test(`a server that ${title} is told about, and none of its tools count`, async () => {
    await assert.rejects(ask(app), (error: unknown) => {
      assert.ok(error instanceof RelayError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("a server that never answers is given up on", async () => {
  const clock = new ManualClock();
  const started = Promise.withResolvers<void>();
  const asked = ask(scripted("() => undefined"), clock, started.resolve);
  await Promise.all([started.promise, clock.sleeping(LIST_MS)]);
  clock.advance(LIST_MS);
  await assert.rejects(asked, { code: "TIMEOUT", message: /did not list its tools within 15 s/ });
});
