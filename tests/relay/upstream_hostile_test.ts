// Servers over HTTP that are broken, slow or ill-disposed: what they may cost, and what is said.
import assert from "node:assert/strict";
import net from "node:net";
import type { StreamableServer } from "../../relay/agent/upstream/http/streamable.ts";
import type { HttpLimits } from "../../relay/agent/upstream/http/limits.ts";
import type { StartOptions } from "../../relay/agent/upstream/start.ts";
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
import { ManualClock } from "../support/manual_clock.ts";

const result = (id: number | string, value: object = {}) => ({ jsonrpc: "2.0", id, result: value });
const FAILED = 'The request to MCP server "small" failed: ';

async function open(
  answer: (seen: Seen) => unknown,
  context: TestContext,
  options: Partial<StartOptions> & { limits?: Partial<HttpLimits> } = {},
) {
  const server = await SmallServer.start(answer, context);
  const app = httpApp("small", `mcp+${server.url}`);
  const reached = await Reached.start({ app, ...options }, context);
  return { server, reached, upstream: reached.upstream as StreamableServer };
}

/** The sentence that a request is answered with. */
async function failure(
  answer: (seen: Seen) => unknown,
  context: TestContext,
  limits: Partial<HttpLimits> = {},
): Promise<string> {
  const { reached } = await open(answer, context, { limits });
  const { error } = await reached.request(1, "tools/call");
  assert.equal(error.code, -32603);
  assert.ok(error.message.startsWith(FAILED), error.message);
  assert.doesNotMatch(error.message, /127\.0\.0\.1|http:/);
  return error.message.slice(FAILED.length);
}

test("a redirect is not followed: what the agent adds is for one server", async (context) => {
  const other = await SmallServer.start(({ response }) => json(response, {}), context);
  for (const status of [301, 302, 303, 307, 308]) {
    const found = await failure(
      ({ response }) => response.writeHead(status, { location: other.url }).end(),
      context,
    );
    assert.equal(found, `it answered with a redirect (HTTP ${status}), which is not followed`);
  }
  assert.equal(other.seen.length, 0);
});

test("a request that waits for its turn can be taken back, and one that has left cannot", async (context) => {
  const first = Promise.withResolvers<Seen>();
  const { server, reached, upstream } = await open(
    (seen) => {
      if (seen.body.id === 1) first.resolve(seen);
      else json(seen.response, result(seen.body.id));
    },
    context,
    { limits: { concurrentRequests: 1 } },
  );
  const asked = [1, 2, 3].map((id) => reached.request(id, "tools/call", { _meta: MODERN_META }));
  const { response } = await first.promise;
  const offered: number[] = [];
  upstream.recall((request) => {
    const { id } = JSON.parse(new TextDecoder().decode(request));
    offered.push(id);
    return id !== 2;
  });
  assert.deepEqual(offered, [2, 3]);
  json(response, result(1));
  await Promise.all([asked[0], asked[2]]);
  assert.deepEqual(server.seen.map(({ body }) => body.id), [1, 3]);
  // Nobody but who took it back answers it.
  assert.deepEqual(reached.heard.map((line) => JSON.parse(line).id), [1, 3]);
});

for (const transport of ["streamable HTTP", "SSE"]) {
  test(`withdrawals that a server over ${transport} never answers take few connections`, async (context) => {
    let open = 0;
    let most = 0;
    const answer = (seen: Seen) => {
      const { body, method, response } = seen;
      if (method === "GET") {
        if (transport === "SSE") return void events(response, "event: endpoint\ndata: /mcp\n\n");
        return response.writeHead(405).end();
      }
      if (method !== "POST") return response.writeHead(200).end();
      if (body.method === "initialize") {
        response.setHeader("mcp-session-id", "s");
        return json(response, result(body.id));
      }
      if (body.method !== "notifications/cancelled") return response.writeHead(202).end();
      most = Math.max(most, ++open);
      void seen.closed.then(() => open--);
    };
    const server = await SmallServer.start(answer, context);
    const sse = transport === "SSE";
    const app = httpApp("small", `mcp+${sse ? "sse+" : ""}${server.url}`);
    const reached = await Reached.start({ app, limits: { concurrentTold: 8 } }, context);
    if (sse) reached.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    else await reached.request(0, "initialize");
    for (let i = 0; i < 200; i++) {
      reached.notify("notifications/cancelled", { requestId: 1000 + i });
    }
    await server.until(() => open === 8);
    // What waits is counted, so that the client is held back by it.
    assert.ok(reached.upstream.held >= 190 * 60, `${reached.upstream.held} bytes are held`);
    for (let i = 0; i < 20; i++) {
      const { response } = server.seen.find(({ body, response: { writableEnded } }) =>
        body?.method === "notifications/cancelled" && !writableEnded
      )!;
      const before = server.seen.length;
      response.writeHead(202).end();
      await server.until(() => server.seen.length > before);
    }
    assert.equal(most, 8);
  });
}

test("requests that are not answered have so many bytes together, and a larger one goes alone", async (context) => {
  const { reached, server } = await open(() => {}, context, { limits: { openBytes: 1000 } });
  const call = (id: number, bytes: number) =>
    reached.request(id, "tools/call", { name: "x".repeat(bytes) });
  const answers = [call(1, 2000), call(2, 600), call(3, 600)];
  for (const id of [1, 2, 3]) {
    const { response } = await server.until(({ body }) => body.id === id);
    assert.equal(server.seen.length, id);
    json(response, result(id));
    await answers[id - 1];
  }
});

test("an answer of another kind is refused by what it is", async (context) => {
  const send = (headers: Record<string, string>, body = "<html>") => ({ response }: Seen) =>
    response.writeHead(200, headers).end(body);
  const html = { "content-type": "text/html" };
  assert.equal(
    await failure(send(html), context),
    "its answer is neither JSON nor a stream of events",
  );
  const gzip = { "content-type": "application/json", "content-encoding": "gzip" };
  assert.equal(
    await failure(send(gzip), context),
    "its answer is compressed, which nobody asked for",
  );
  assert.equal(
    await failure(({ response }) => json(response, result(2)), context),
    "its answer was to something else",
  );
  assert.equal(
    await failure(({ response }) => json(response, [result(1)]), context),
    "its answer was to something else",
  );
  assert.match(
    await failure(({ response }) => events(response, ": nothing\n\n").end(), context),
    /^it ended without an answer; whether/,
  );
});

test("a server that is not there, or speaks no HTTP, is told apart", async (context) => {
  const { server, reached } = await open(({ response }) => response.destroy(), context);
  const lost = await reached.request(1, "tools/list");
  assert.equal(lost.error.message, `${FAILED}it closed the connection without an answer`);
  await server.close();
  const refused = await reached.request(2, "tools/list");
  assert.equal(refused.error.message, `${FAILED}the connection was refused`);

  const noise = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.resume().end("SSH-2.0-OpenSSH\r\n\r\n");
  });
  await new Promise<void>((resolve) => noise.listen(0, "127.0.0.1", resolve));
  context.cleanup(() => new Promise((resolve) => noise.close(resolve)));
  const { port } = noise.address() as net.AddressInfo;
  const app = httpApp("small", `mcp+http://127.0.0.1:${port}/`);
  const other = await Reached.start({ app }, context);
  const { error } = await other.request(1, "tools/list");
  assert.equal(error.message, `${FAILED}what it says is not HTTP as it should be`);
});

test("headers beyond the limit are refused, and the limit is named", async (context) => {
  const found = await failure(
    ({ response }) => response.writeHead(200, { padding: "x".repeat(70_000) }).end(),
    context,
  );
  assert.equal(found, "its headers are larger than 65536 bytes");
});

test("an answer that does not begin in time fails, and its connection is closed", async (context) => {
  const clock = new ManualClock();
  const { server, reached } = await open(() => {}, context, { clock });
  const answer = reached.request(1, "tools/call");
  const { closed } = await server.until(({ body }) => body.id === 1);
  await clock.sleeping(600_000);
  clock.advance(600_000);
  assert.equal((await answer).error.message, `${FAILED}no answer within 600 seconds`);
  await closed;
});

test("a message beyond the limit fails its request alone, whichever way it comes", async (context) => {
  const limits = { messageBytes: 10_000, bufferedBytes: 40_000 };
  const big = (id: number) => result(id, { text: "x".repeat(20_000) });
  const named = /a message is larger than 10000 bytes/;
  const as = {
    json: ({ response }: Seen) => json(response, big(1)),
    events: ({ response }: Seen) => void events(response, event({ text: "x".repeat(20_000) })),
    "an endless line": ({ response }: Seen) => {
      const stream = events(response, "data: ");
      const flood = () => {
        while (!stream.destroyed && stream.write("x".repeat(10_000)));
        stream.once("drain", flood);
      };
      flood();
    },
    "an endless body": ({ response }: Seen) => {
      response.writeHead(200, { "content-type": "application/json" });
      const flood = () => {
        while (!response.destroyed && response.write(" ".repeat(10_000)));
        response.once("drain", flood);
      };
      flood();
    },
  };
  for (const [name, answer] of Object.entries(as)) {
    assert.match(await failure(answer, context, limits), named, name);
  }
});

test("the gate hears of an answer that was too large, and what comes after it is read", async (context) => {
  const { reached } = await open(
    ({ body, response }) => {
      const stream = events(response, event(result(body.id, { text: "x".repeat(20_000) })));
      stream.end(event({ jsonrpc: "2.0", method: "notifications/message" }));
    },
    context,
    { limits: { messageBytes: 10_000 } },
  );
  reached.send({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  await reached.until(({ method }) => method === "notifications/message");
  assert.equal(reached.oversized.length, 1);
  assert.equal(reached.oversized[0]! > 20_000, true);
});

test("unfinished messages of all streams share one limit", async (context) => {
  const { reached, upstream } = await open(
    ({ body, response }) => {
      if (body.id === 1) return events(response, `data: ${"x".repeat(6_000)}`);
      json(response, result(body.id, { text: "y".repeat(6_000) }));
    },
    context,
    { limits: { messageBytes: 8_000, bufferedBytes: 10_000 } },
  );
  reached.send({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  // The other half of it never comes; that it was read shows in what is held.
  while (upstream.held < 6_000) await new Promise((resolve) => setTimeout(resolve, 1));
  const { error } = await reached.request(2, "tools/call");
  assert.match(error.message, /the unfinished ones of all answers are larger than 10000 bytes/);
});

test("a server that floods is not read while the session waits", async (context) => {
  const size = 64 * 1024;
  const count = 1_000;
  let written = 0;
  const stuck = Promise.withResolvers<void>();
  const { reached, upstream } = await open(({ body, response }) => {
    const stream = events(response);
    const message = event({
      jsonrpc: "2.0",
      method: "notifications/message",
      text: "x".repeat(size),
    });
    const flood = () => {
      while (written < count) {
        written++;
        if (!stream.write(message)) {
          // Whoever reads makes the next drain come; nobody reads, so this is where it stands.
          stream.once("drain", flood);
          if (stream.writableLength > size) stuck.resolve();
          return;
        }
      }
      stream.end(event(result(body.id)));
    };
    flood();
  }, context);
  upstream.pause();
  reached.send({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  await stuck.promise;
  assert.equal(reached.heard.length, 0);
  assert.equal(written < count, true);
  upstream.resume();
  await reached.answer(1);
  assert.equal(reached.heard.length, count + 1);
  assert.equal(upstream.held, 0);
});

test("a server that does not take what it is sent makes the client wait, and only for as long", async (context) => {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.cleanup(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as net.AddressInfo;
  const clock = new ManualClock();
  const app = httpApp("small", `mcp+http://127.0.0.1:${port}/`);
  const reached = await Reached.start({ app, clock }, context);
  assert.equal(reached.upstream.congested, false);
  const text = "x".repeat(12 * 1024 * 1024);
  const answer = reached.request(1, "tools/call", { text, _meta: MODERN_META });
  assert.equal(reached.upstream.congested, true);
  await clock.sleeping(600_000);
  const room = reached.upstream.room();
  clock.advance(600_000);
  await room;
  assert.match((await answer).error.message, /no answer within 600 seconds/);
  assert.equal(reached.upstream.congested, false);
  for (const socket of sockets) socket.destroy();
});

test("requests beyond the limit wait for their turn, and beyond what may wait they are refused", async (context) => {
  const held: Seen[] = [];
  const limits = { concurrentRequests: 4, queuedBytes: 2_000 };
  const { server, reached } = await open((seen) => held.push(seen), context, { limits });
  const padding = "x".repeat(200);
  const send = (id: number) =>
    reached.send({ jsonrpc: "2.0", id, method: "tools/call", params: { padding } });
  for (let id = 0; id < 20; id++) send(id);
  const { error } = await reached.answer(19);
  assert.equal(error.message, `${FAILED}more than 2000 bytes wait to be sent`);
  await server.until(({ body }) => body.id === 3);
  assert.equal(server.seen.length, 4);
  // Each answer lets the next one go, in their order.
  for (let id = 0; id < 10; id++) {
    const seen = await server.until(({ body }) => body.id === id);
    json(seen.response, result(id));
    assert.deepEqual((await reached.answer(id)).result, {});
  }
  assert.deepEqual(
    server.seen.slice(0, 8).map(({ body }) => body.id).toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
});

test("a stream that stays open after its answer takes no place, and is closed in time", async (context) => {
  const clock = new ManualClock();
  const { server, reached } = await open(
    ({ body, response }) => void events(response, event(result(body.id))),
    context,
    { clock, limits: { concurrentRequests: 1 } },
  );
  await reached.request(1, "tools/call");
  await reached.request(2, "tools/call");
  await clock.sleeping(30_000);
  clock.advance(30_000);
  await Promise.all(server.seen.map(({ closed }) => closed));
});

test("what the agent adds is asked for each time, and cannot pass for what the protocol says", async (context) => {
  let asked = 0;
  const headers = () =>
    Promise.resolve([
      { name: "Authorization", value: `Bearer t-${++asked}` },
      { name: "X-Many", value: "a" },
      { name: "x-many", value: "b" },
      { name: "Mcp-Session-Id", value: "stolen" },
      { name: "Mcp-Method", value: "tools/list" },
      { name: "Content-Type", value: "text/plain" },
      { name: "Content-Length", value: "1" },
      { name: "Accept-Encoding", value: "gzip" },
    ].filter(({ name }) => asked < 3 || name === "Authorization"));
  const { server, reached } = await open(
    ({ body, response }) => json(response, result(body.id)),
    context,
    { headers },
  );
  const _meta = MODERN_META;
  await reached.request(1, "tools/call", { name: "x", _meta });
  await reached.request(2, "tools/call", { name: "x", _meta });
  const [one, two] = server.seen.map(({ headers }) => headers);
  assert.equal(one!.authorization, "Bearer t-1");
  assert.equal(two!.authorization, "Bearer t-2");
  assert.equal(one!["x-many"], "a, b");
  assert.equal(one!["mcp-method"], "tools/call");
  assert.equal(one!["content-type"], "application/json");
  assert.equal(one!["accept-encoding"], "identity");
});

test("when the headers are not to be had, nothing is sent and no secret is told", async (context) => {
  const log: string[] = [];
  const { server, reached } = await open(({ response }) => json(response, {}), context, {
    headers: () => Promise.reject(new Error("cannot read s3cret")),
    log: { debug() {}, info() {}, warn: (text) => void log.push(text), error() {} },
  });
  const { error } = await reached.request(1, "tools/call");
  assert.equal(error.message, `${FAILED}its headers are not available`);
  assert.equal(server.seen.length, 0);
  const bad = await open(({ response }) => json(response, {}), context, {
    headers: () => Promise.resolve([{ name: "x", value: "s3cret\r\ny: 1" }]),
  });
  const second = await bad.reached.request(1, "tools/call");
  assert.equal(second.error.message, `${FAILED}its headers cannot be sent`);
  assert.equal(bad.server.seen.length, 0);
});

test("a close ends whatever is open, at once", async (context) => {
  const { server, reached } = await open(
    ({ response }) => void events(response, ": working\n\n"),
    context,
  );
  for (const id of [1, 2, 3]) reached.send({ jsonrpc: "2.0", id, method: "tools/call" });
  await server.until(({ body }) => body.id === 3);
  await server.until(({ body }) => body.id === 1);
  await reached.upstream.close();
  await Promise.all(server.seen.map(({ closed }) => closed));
  assert.deepEqual(reached.heard, []);
  reached.send({ jsonrpc: "2.0", id: 4, method: "tools/call" });
  assert.equal(server.seen.length, 3);
});
