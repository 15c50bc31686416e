// Servers over HTTP with server-sent events, as the revision of 2024-11-05 has it; and HTTPS.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayError } from "../../relay/error.ts";
import type { StartOptions } from "../../relay/agent/upstream/start.ts";
import { test, type TestContext } from "../support/harness.ts";
import {
  event,
  events,
  httpApp,
  INITIALIZE,
  json,
  Reached,
  type Seen,
  SmallServer,
} from "../support/http_upstream.ts";
import { ManualClock } from "../support/manual_clock.ts";

const result = (id: number | string, value: object = {}) => ({ jsonrpc: "2.0", id, result: value });

/** A server whose stream begins with `first`; `answer` hears what is posted. */
async function serve(
  first: string,
  context: TestContext,
  answer: (seen: Seen) => unknown = ({ response }) => response.writeHead(202).end(),
) {
  const server = await SmallServer.start((seen) => {
    if (seen.method === "GET") events(seen.response, first);
    else answer(seen);
  }, context);
  const app = httpApp("small", `mcp+sse+${server.url}`);
  const start = (options: Partial<StartOptions> = {}) =>
    Reached.start({ app, ...options }, context);
  const stream = async () => (await server.until(({ method }) => method === "GET")).response;
  return { server, start, stream };
}

const ENDPOINT = "event: endpoint\ndata: /post?session=1\n\n";

test("messages are posted where the server says, and everything it says comes on the stream", async (context) => {
  const { server, start, stream } = await serve(ENDPOINT, context);
  const reached = await start();
  const answer = reached.request(0, "initialize", INITIALIZE);
  await server.until(({ body }) => body?.id === 0);
  const events = await stream();
  events.write(event({ jsonrpc: "2.0", method: "notifications/message" }));
  events.write(event(result(0, { protocolVersion: "2024-11-05" }), "event: message\n"));
  assert.equal((await answer).result.protocolVersion, "2024-11-05");
  assert.equal(reached.messages[0].method, "notifications/message");
  reached.notify("notifications/initialized");
  const told = await server.until(({ body }) => body?.method === "notifications/initialized");
  assert.equal(told.headers["mcp-protocol-version"], "2024-11-05");
  assert.equal(server.seen.filter(({ method }) => method === "GET").length, 1);
});

for (
  const { what, first, found } of [
    {
      what: "names a place of another origin",
      first: "event: endpoint\ndata: http://127.0.0.1:9/post\n\n",
      found: "it named a place to post that is not its own",
    },
    {
      what: "names a place with another scheme",
      first: "event: endpoint\ndata: file:///etc/passwd\n\n",
      found: "it named a place to post that is not its own",
    },
  ]
) {
  test(`a server that ${what} is not spoken to`, async (context) => {
    const { server, start } = await serve(first, context);
    await assert.rejects(start(), (error) => {
      assert.ok(error instanceof RelayError);
      assert.equal(error.code, "SERVER_START_FAILED");
      assert.equal(error.message, `Cannot reach MCP server "small": ${found}`);
      return true;
    });
    assert.deepEqual(server.seen.map(({ method }) => method), ["GET"]);
  });
}

test("a server that does not say in time where to post cannot be reached", async (context) => {
  const clock = new ManualClock();
  const { server, start } = await serve(": wait\n\n", context);
  const started = start({ clock });
  await server.until(({ method }) => method === "GET");
  await clock.sleeping(30_000);
  clock.advance(30_000);
  await assert.rejects(started, /within 30 seconds/);
});

test("a server without a stream of events cannot be reached, and says so at the start", async (context) => {
  const server = await SmallServer.start(({ response }) => response.writeHead(404).end(), context);
  const app = httpApp("small", `mcp+sse+${server.url}`);
  await assert.rejects(
    Reached.start({ app }, context),
    /Cannot reach MCP server "small": it answered with HTTP 404 and no events/,
  );
});

test("what was said before the client spoke waits until it does", async (context) => {
  const early = event({ jsonrpc: "2.0", method: "notifications/early" });
  const { start, server } = await serve(ENDPOINT + early, context);
  const reached = await start();
  assert.deepEqual(reached.heard, []);
  reached.notify("notifications/initialized");
  await reached.until(({ method }) => method === "notifications/early");
  await server.until(({ method }) => method === "POST");
});

test("the end of the stream is the end of the server, and calls in flight fail", async (context) => {
  const { server, start, stream } = await serve(ENDPOINT, context);
  const reached = await start();
  const answer = reached.request(1, "tools/call");
  await server.until(({ body }) => body?.id === 1);
  (await stream()).end();
  assert.match((await answer).error.message, /"small" failed: it has closed its stream/);
  const reason = await reached.exit.promise;
  assert.equal(reason.code, "SERVER_EXITED");
  assert.equal(reason.message, 'MCP server "small" has closed its stream');
});

test("a post that is refused is the answer to its request", async (context) => {
  const { start } = await serve(ENDPOINT, context, ({ body, response }) => {
    if (body.id === 1) return response.writeHead(500).end("at db-7.internal");
    json(response, { jsonrpc: "2.0", id: null, error: { code: -32000, message: "Full" } }, 400);
  });
  const reached = await start();
  const { error } = await reached.request(1, "tools/call");
  assert.equal(
    error.message,
    'The request to MCP server "small" failed: it answered with HTTP 500',
  );
  assert.equal((await reached.request(2, "tools/call")).error.message, "Full");
});

test("an HTTPS server has to prove itself, unless the app says that it need not", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-https-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", keyFile, "-out", certFile, "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  ], { stdio: "ignore" });
  const cert = readFileSync(certFile, "utf8");
  let asked = 0;
  const server = https.createServer({ key: readFileSync(keyFile), cert }, (request, response) => {
    asked++;
    request.resume();
    request.on("end", () => json(response, result(1, { secure: true })));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.cleanup(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const uri = `mcp+https://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const call = async (options: Partial<StartOptions>, insecureSkipVerify = false) => {
    const app = httpApp("small", uri, { insecureSkipVerify });
    return await (await Reached.start({ app, ...options }, context)).request(1, "ping");
  };
  const refused = await call({});
  assert.match(refused.error.message, /"small" failed: its certificate is not accepted$/);
  assert.equal(asked, 0);
  assert.equal((await call({ ca: [cert] })).result.secure, true);
  assert.equal((await call({}, true)).result.secure, true);
});

test("a uri that is none of MCP is refused by name", async (context) => {
  for (const uri of ["http://127.0.0.1/mcp", "mcp+http://", "mcp+ftp://host/"]) {
    await assert.rejects(
      Reached.start({ app: httpApp("odd", uri) }, context),
      /Cannot reach app "odd": its uri is none of MCP/,
    );
  }
});
