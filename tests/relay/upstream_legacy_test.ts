// Streamable HTTP with sessions, as revisions up to 2025-11-25 have it.
import assert from "node:assert/strict";
import type { HttpLimits } from "../../relay/agent/upstream/http/limits.ts";
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

const SESSION = { "mcp-session-id": "s-1" };
const result = (id: number | string, value: object = {}) => ({ jsonrpc: "2.0", id, result: value });

/** Answers the beginning of a session, and hands on the rest. */
function session(answer: (seen: Seen) => unknown, get: (seen: Seen) => unknown = refuse) {
  return (seen: Seen) => {
    const { method, body, response } = seen;
    if (method === "GET") return get(seen);
    if (method === "DELETE") return response.writeHead(204).end();
    if (body.method === "initialize") {
      response.setHeader("mcp-session-id", "s-1");
      return json(response, result(body.id, { protocolVersion: "2025-06-18", capabilities: {} }));
    }
    if (body.id === undefined || body.method === undefined) return response.writeHead(202).end();
    return answer(seen);
  };
}
const refuse = ({ response }: Seen) => response.writeHead(405).end();

interface Setting {
  readonly limits?: Partial<HttpLimits>;
  readonly clock?: ManualClock;
}

/** A server that does as it is told, with a session open on it. */
async function open(
  answer: (seen: Seen) => unknown,
  context: TestContext,
  { get, ...setting }: Setting & { get?: (seen: Seen) => unknown } = {},
) {
  const server = await SmallServer.start(session(answer, get), context);
  const app = httpApp("small", `mcp+${server.url}`);
  const reached = await Reached.start({ app, ...setting }, context);
  await reached.request(0, "initialize", INITIALIZE);
  reached.notify("notifications/initialized");
  return { server, reached };
}

test("a session's id and version go with each message after initialize, and it is deleted at the end", async (context) => {
  const { server, reached } = await open(
    ({ body, response }) => json(response, result(body.id)),
    context,
  );
  await reached.request("a", "tools/list");
  await server.until(({ method }) => method === "GET");
  await reached.upstream.close();
  const [first, ...others] = server.seen;
  assert.equal(first!.headers["mcp-session-id"], undefined);
  assert.equal(first!.headers["mcp-protocol-version"], undefined);
  assert.match(first!.headers.accept!, /application\/json, text\/event-stream/);
  for (const { headers } of others) {
    assert.equal(headers["mcp-session-id"], "s-1");
    assert.equal(headers["mcp-protocol-version"], "2025-06-18");
    assert.equal(headers["mcp-method"], undefined);
  }
  assert.equal(others.at(-1)!.method, "DELETE");
  assert.equal(server.seen.filter(({ method }) => method === "DELETE").length, 1);
});

test("messages leave in their order: initialized is with the server before what follows it", async (context) => {
  let release = () => {};
  const server = await SmallServer.start((seen) => {
    if (seen.body?.method === "notifications/initialized") {
      release = () => seen.response.writeHead(202).end();
    } else session(({ body, response }) => json(response, result(body.id)))(seen);
  }, context);
  const reached = await Reached.start({ app: httpApp("small", `mcp+${server.url}`) }, context);
  reached.send({ jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE });
  reached.notify("notifications/initialized");
  const listed = reached.request(1, "tools/list");
  // The client's answer to the server waits for nobody.
  await server.until(({ body }) => body?.method === "notifications/initialized");
  reached.send(result("asked"));
  await server.until(({ body }) => body?.id === "asked");
  assert.equal(server.seen.some(({ body }) => body?.method === "tools/list"), false);
  release();
  await listed;
});

test("numbers, order and spacing of an answer are the server's own, in JSON and in events", async (context) => {
  const text = (id: number) =>
    `{"result" : {"n":1.0, "big":123456789012345678901234567890},"jsonrpc":"2.0","id":${id}}`;
  const { reached } = await open(({ body, response }) => {
    if (body.method === "one") return json(response, text(1));
    return events(response, `data: ${text(2).slice(0, 13)}\ndata: ${text(2).slice(13)}\n\n`).end();
  }, context);
  await reached.request(1, "one");
  await reached.request(2, "two");
  assert.equal(reached.heard.at(-2), text(1));
  assert.equal(reached.heard.at(-1)!.replace("\n", ""), text(2));
});

test("what comes before an answer on its stream arrives in its order, and answers may come on any stream", async (context) => {
  let general: Seen | undefined;
  const { server, reached } = await open(
    ({ body, response }) => {
      if (body.method === "silent") return response.writeHead(202).end();
      const stream = events(response);
      for (const progress of [1, 2]) {
        stream.write(
          event({ jsonrpc: "2.0", method: "notifications/progress", params: { progress } }),
        );
      }
      stream.end(event(result(body.id)));
    },
    context,
    {
      get: (seen) => {
        general = seen;
        events(seen.response, ": here\n\n");
      },
    },
  );
  await reached.request(1, "tools/call");
  assert.deepEqual(reached.messages.slice(-3).map(({ id, params }) => id ?? params.progress), [
    1,
    2,
    1,
  ]);
  await server.until(({ method }) => method === "GET");
  reached.send({ jsonrpc: "2.0", id: 2, method: "silent" });
  await server.until(({ body }) => body?.method === "silent");
  general!.response.write(event(result(2, { late: true })));
  assert.deepEqual((await reached.answer(2)).result, { late: true });
});

test("an answer that was promised for the session's stream fails when that stream ends for good", async (context) => {
  let streams = 0;
  const waiting = Promise.withResolvers<void>();
  const { reached } = await open(
    ({ response }) => {
      response.writeHead(202).end();
      waiting.resolve();
    },
    context,
    {
      get: async ({ response }) => {
        if (++streams > 1) return response.writeHead(405).end();
        events(response, "retry: 0\n\n");
        await waiting.promise;
        response.end();
      },
    },
  );
  const { error } = await reached.request(1, "tools/call");
  assert.match(error.message, /"small" failed: it ended without an answer; whether/);
});

for (const how of ["ends", "breaks off"]) {
  test(`a stream that ${how} is read on by GET from its last event, after the server's own time`, async (context) => {
    const clock = new ManualClock();
    const { server, reached } = await open(
      ({ response }) => {
        const stream = events(response, "id: p-1\nretry: 5000\ndata:\n\n");
        if (how === "ends") stream.end();
        else stream.write(": x", () => stream.destroy());
      },
      context,
      {
        clock,
        get: ({ headers, response }) => {
          if (headers["last-event-id"] === undefined) return response.writeHead(405).end();
          events(response, event(result(1, { from: headers["last-event-id"] }), "id: p-2\n")).end();
        },
      },
    );
    const answered = reached.request(1, "tools/call");
    const { closed } = await server.until(({ body }) => body?.method === "tools/call");
    await closed;
    // Nothing happens before it is time; then it does.
    await clock.sleeping(5000);
    assert.equal(server.seen.some(({ headers }) => headers["last-event-id"]), false);
    clock.advance(5000);
    assert.deepEqual((await answered).result, { from: "p-1" });
    assert.equal(server.seen.filter(({ body }) => body?.method === "tools/call").length, 1);
    const resumed = server.seen.find(({ headers }) => headers["last-event-id"]);
    assert.equal(resumed!.headers["mcp-session-id"], SESSION["mcp-session-id"]);
  });
}

test("a stream that brings nothing is not asked for without end", async (context) => {
  const { server, reached } = await open(
    ({ response }) => void events(response, "id: 1\nretry: 0\ndata:\n\n").end(),
    context,
    {
      limits: { resumes: 3 },
      get: ({ headers, response }) =>
        headers["last-event-id"] ? events(response).end() : response.writeHead(405).end(),
    },
  );
  const { error } = await reached.request(1, "tools/call");
  assert.match(error.message, /it ended without an answer/);
  assert.equal(server.seen.filter(({ headers }) => headers["last-event-id"]).length, 3);
});

test("a stream that breaks off without an id fails its request, and says what is not known", async (context) => {
  const { server, reached } = await open(({ response }) => {
    const stream = events(response, event({ jsonrpc: "2.0", method: "notifications/progress" }));
    stream.write(": x", () => stream.destroy());
  }, context);
  const { error } = await reached.request(1, "tools/call");
  assert.equal(error.code, -32603);
  assert.equal(
    error.message,
    'The request to MCP server "small" failed: the connection broke off; ' +
      "whether the request was carried out is not known",
  );
  assert.equal(server.seen.filter(({ body }) => body?.method === "tools/call").length, 1);
});

test("a cancelled request is withdrawn by a message, not by hanging up, and its place is free after that", async (context) => {
  const order: string[] = [];
  const { server, reached } = await open(
    ({ body, response, closed }) => {
      if (body.method === "ping") return json(response, result(body.id));
      events(response, ": working\n\n");
      void closed.then(() => order.push("hung up"));
    },
    context,
    { limits: { concurrentRequests: 1 } },
  );
  reached.send({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  const call = await server.until(({ body }) => body?.method === "tools/call");
  reached.send({ jsonrpc: "2.0", id: 2, method: "ping" });
  reached.notify("notifications/cancelled", { requestId: 1 });
  const cancelled = await server.until(({ body }) => body?.method === "notifications/cancelled");
  assert.equal(cancelled.headers["mcp-session-id"], "s-1");
  order.push("told");
  await call.closed;
  assert.deepEqual(order, ["told", "hung up"]);
  await reached.answer(2);
});

test("a request that waits for its turn and is cancelled never leaves", async (context) => {
  const { server, reached } = await open(
    ({ response }) => void events(response, ": working\n\n"),
    context,
    { limits: { concurrentRequests: 1 } },
  );
  reached.send({ jsonrpc: "2.0", id: 1, method: "first" });
  const first = await server.until(({ body }) => body?.method === "first");
  reached.send({ jsonrpc: "2.0", id: 2, method: "second" });
  reached.notify("notifications/cancelled", { requestId: 2 });
  // The gate drops this one, since the client has forgotten the request.
  assert.match((await reached.answer(2)).error.message, /Cancelled/);
  first.response.end(event(result(1)));
  await reached.answer(1);
  await reached.upstream.close();
  assert.equal(server.seen.some(({ body }) => body?.method === "second"), false);
});

test("a server that has forgotten the session ends it: calls in flight fail, and nothing is deleted", async (context) => {
  const { server, reached } = await open(({ body, response }) => {
    if (body.method === "tools/call") return events(response, ": working\n\n");
    json(response, {
      jsonrpc: "2.0",
      id: null,
      error: { code: -32001, message: "Session not found" },
    }, 404);
  }, context);
  reached.send({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  await server.until(({ body }) => body?.method === "tools/call");
  reached.send({ jsonrpc: "2.0", id: 2, method: "tools/list" });
  const reason = await reached.exit.promise;
  assert.equal(reason.code, "SERVER_EXITED");
  assert.equal(reason.message, 'MCP server "small" has ended the session');
  for (const id of [1, 2]) {
    assert.match((await reached.answer(id)).error.message, /has ended the session/);
  }
  await reached.upstream.close();
  assert.equal(server.seen.some(({ method }) => method === "DELETE"), false);
});

test("two upstreams of one app have two sessions", async (context) => {
  let sessions = 0;
  const server = await SmallServer.start(({ method, body, headers, response }) => {
    if (method !== "POST") return response.writeHead(405).end();
    if (body.method === "initialize") response.setHeader("mcp-session-id", `s-${++sessions}`);
    json(
      response,
      result(body.id, { protocolVersion: "2025-11-25", session: headers["mcp-session-id"] }),
    );
  }, context);
  const app = httpApp("small", `mcp+${server.url}`);
  const both = [await Reached.start({ app }, context), await Reached.start({ app }, context)];
  for (const reached of both) await reached.request(0, "initialize", INITIALIZE);
  const answers = await Promise.all(both.map((reached) => reached.request(1, "ping")));
  assert.deepEqual(answers.map((answer) => answer.result.session), ["s-1", "s-2"]);
});

test("a session id that is none is refused", async (context) => {
  const server = await SmallServer.start(({ body, response }) => {
    response.setHeader("mcp-session-id", "with space");
    json(response, result(body.id, { protocolVersion: "2025-11-25" }));
  }, context);
  const reached = await Reached.start({ app: httpApp("small", `mcp+${server.url}`) }, context);
  const { error } = await reached.request(0, "initialize", INITIALIZE);
  assert.match(error.message, /the id of its session is none/);
});

test("a call leaves once the session's stream is there, on which the server may ask in its course", async (context) => {
  const asked = Promise.withResolvers<Seen>();
  const { server, reached } = await open(
    ({ body, response }) => json(response, result(body.id)),
    context,
    { get: (seen) => asked.resolve(seen) },
  );
  const answer = reached.request("a", "tools/call", { name: "x" });
  const { response } = await asked.promise;
  assert.ok(!server.seen.some(({ body }) => body?.method === "tools/call"), "the call has waited");
  events(response);
  await answer;
});

test("a call does not wait for ever for a stream that a server does not begin", async (context) => {
  const clock = new ManualClock();
  const { server, reached } = await open(
    ({ body, response }) => json(response, result(body.id)),
    context,
    { get: () => {}, clock },
  );
  const answer = reached.request("a", "tools/call", { name: "x" });
  await server.until(({ method }) => method === "GET");
  await clock.sleeping(2_000);
  clock.advance(2_000);
  await answer;
});
