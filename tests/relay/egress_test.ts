import assert from "node:assert/strict";
import type { App, Principal, Rewrite } from "../../identity/mod.ts";
import { egressOf } from "../../relay/agent/egress.ts";
import { event, events, httpApp, INITIALIZE, json } from "../support/http_upstream.ts";
import { Reached, SmallServer } from "../support/http_upstream.ts";
import { test } from "../support/harness.ts";

const principal: Principal = {
  bot: "robot",
  instance: "ab".repeat(16),
  roles: ["dev"],
  traits: { team: ["support", "night"], jwt: ["forged"] },
};

function app(rewrite: Partial<Rewrite> = {}): App {
  const none = { jwtClaims: "roles-and-traits", headers: [], headersFrom: [] } as const;
  return httpApp("far", "mcp+https://mcp.example.com/mcp", { rewrite: { ...none, ...rewrite } });
}

const headers = (...lines: string[]): Partial<Rewrite> => ({
  headers: lines.map((line) => {
    const [name = "", value = ""] = line.split(": ");
    return { name, value };
  }),
});
const secret: Partial<Rewrite> = {
  headersFrom: [{ name: "X-Api-Key", prefix: "", from: { kind: "value", value: "sesame" } }],
};
const R = ["<REDACTED>"];

for (
  const { title, rewrite, signs = true, authType, recorded } of [
    { title: "nothing configured", rewrite: {}, authType: "unknown", recorded: {} },
    {
      title: "a token that the cluster signs",
      rewrite: headers("Authorization: Bearer {{internal.jwt}}"),
      authType: "app-jwt",
      recorded: { Authorization: R },
    },
    {
      title: "a token under another name",
      rewrite: headers("X-Who: {{external.jwt}}"),
      authType: "app-jwt",
      recorded: { "X-Who": R },
    },
    {
      title: "an id token beside a token",
      rewrite: headers("X-A: {{internal.jwt}}", "Authorization: {{internal.id_token}}"),
      authType: "app-id-token",
      recorded: { "X-A": R, Authorization: R },
    },
    {
      title: "a token where nobody signs",
      rewrite: headers("X-Who: {{internal.jwt}}"),
      signs: false,
      authType: "unknown",
      recorded: {},
    },
    {
      title: "a credential that is written out",
      rewrite: headers("authorization: Basic c2VzYW1l"),
      authType: "app-defined",
      recorded: { authorization: R },
    },
    {
      title: "a secret that is looked up",
      rewrite: secret,
      authType: "app-defined",
      recorded: { "X-Api-Key": R },
    },
    {
      title: "traits of the bot",
      rewrite: headers("X-Team: t-{{external.team}}", "X-Team-Key: {{external.team}}"),
      authType: "unknown",
      recorded: { "X-Team": ["t-support", "t-night"], "X-Team-Key": [...R, ...R] },
    },
    {
      title: "a trait that the bot lacks, and a value that may be anything",
      rewrite: headers("X-Shift: {{external.shift}}", "X-Plain: sesame"),
      authType: "unknown",
      recorded: { "X-Plain": R },
    },
  ]
) {
  test(`egressOf() tells of ${title} how the server is reached, and no secret`, () => {
    const egress = egressOf({ app: app(rewrite), principal, signs });
    assert.equal(egress.authType, authType);
    const token = signs ? { "teleport-jwt-assertion": R } : {};
    assert.deepEqual({ ...egress.headers }, { ...token, ...recorded });
    assert.doesNotMatch(JSON.stringify(egress), /sesame|forged|c2VzYW1l/);
  });
}

test("egressOf() tells of no headers where the agent starts the server itself", () => {
  const egress = egressOf({ app: httpApp("near", "mcp+stdio://near"), principal, signs: true });
  assert.deepEqual(egress, { authType: "unknown" });
});

/** A server with sessions whose stream for its own messages is answered as `get` says. */
function sessions(get: Parameters<typeof SmallServer.start>[0]) {
  return (seen: Parameters<typeof get>[0]) => {
    const { body, method, response } = seen;
    if (method === "GET") return get(seen);
    if (method === "DELETE" || body.id === undefined) return void response.writeHead(202).end();
    response.setHeader("mcp-session-id", "s-1");
    const serverInfo = { name: "small", version: "1" };
    const { protocolVersion } = INITIALIZE;
    const result = { protocolVersion, capabilities: {}, serverInfo };
    json(response, { jsonrpc: "2.0", id: body.id, result });
  };
}

test("each stream that a server is asked for is told of, with what came of it, and so is its session", async (context) => {
  let asked = 0;
  const server = await SmallServer.start(
    sessions(({ response }) => {
      if (++asked === 1) {
        const message = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
        return void events(response, event(message, "retry: 1\nid: e-1\n")).end();
      }
      response.writeHead(405).end();
    }),
    context,
  );
  const reached = await Reached.start({ app: httpApp("far", `mcp+${server.url}`) }, context);
  assert.equal(reached.upstream.sessionId, undefined);
  await reached.request(1, "initialize", INITIALIZE);
  assert.equal(reached.upstream.sessionId, "s-1");
  reached.notify("notifications/initialized");
  await reached.state(() => reached.listened.length === 2);
  assert.deepEqual(reached.listened, [
    { resumed: false, refused: undefined },
    { resumed: true, refused: "it answered with HTTP 405" },
  ]);
});

test("a stream of SSE that is refused is told of before the start fails", async (context) => {
  const server = await SmallServer.start(({ response }) => {
    response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
  }, context);
  const listened: unknown[] = [];
  const app = httpApp("far", `mcp+sse+${server.url}`);
  await assert.rejects(Reached.start({ app }, context, (told) => listened.push(told)));
  assert.deepEqual(listened, [
    { resumed: false, refused: "it answered with a redirect (HTTP 302), which is not followed" },
  ]);
});
