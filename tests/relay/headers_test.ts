import assert from "node:assert/strict";
import { silentLog } from "../../identity/mod.ts";
import type {
  App,
  AppTokenRequest,
  LogFields,
  Principal,
  Rewrite,
  SignAppToken,
} from "../../identity/mod.ts";
import { headerSource, MAX_HEADER_BYTES } from "../../relay/agent/upstream/headers.ts";
import { Values } from "../../relay/agent/values/values.ts";
import { RelayError } from "../../relay/error.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/harness.ts";

const URI = "mcp+https://mcp.example.com/mcp";

interface Setting {
  readonly rewrite?: Partial<Rewrite>;
  readonly traits?: Principal["traits"];
  readonly run?: (argv: readonly string[]) => Promise<string>;
}

/** A source of headers whose tokens are `<kind>-<number>`, and live ten minutes. */
function setUp({ rewrite, traits = {}, run }: Setting = {}) {
  const clock = new ManualClock();
  const app: App = {
    name: "far",
    description: "",
    uri: URI,
    labels: {},
    ...(rewrite &&
      { rewrite: { jwtClaims: "roles-and-traits", headers: [], headersFrom: [], ...rewrite } }),
  };
  const state = { principal: { bot: "robot", instance: "i", roles: ["dev"], traits }, signs: true };
  const signed: AppTokenRequest[] = [];
  const signAppToken: SignAppToken = (request) => {
    signed.push(request);
    if (!state.signs) return Promise.reject(new Error("the authority is away"));
    const expires = new Date(clock.now().getTime() + 600_000);
    return Promise.resolve({ token: `${request.kind}-${signed.length}`, expires });
  };
  const logged: [string, LogFields | undefined][] = [];
  const say = (message: string, fields?: LogFields) => void logged.push([message, fields]);
  const source = headerSource({
    app,
    principal: () => state.principal,
    notAfter: () => new Date(clock.now().getTime() + 3_600_000),
    signAppToken,
    values: new Values(clock, run),
    clock,
    log: { ...silentLog, warn: say, error: say },
  });
  const headers = async () => (await source()).map(({ name, value }) => `${name}: ${value}`);
  return { app, clock, headers, logged, signed, state };
}

const refused = (code: RelayError["code"], says: RegExp, never = /$^/) => (error: unknown) => {
  assert.ok(error instanceof RelayError);
  assert.equal(error.code, code);
  assert.match(error.message, says);
  assert.doesNotMatch(`${error.message} ${error.hint}`, never);
  return true;
};

test("every server over HTTP is told who calls, by a token for its own URI", async () => {
  const { headers, signed } = setUp();
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-1"]);
  const [request] = signed;
  assert.equal(request?.audience, URI);
  assert.equal(request?.claims, "roles-and-traits");
  assert.deepEqual(request?.principal, { bot: "robot", roles: ["dev"], traits: {} });
});

test("a token is signed once for many requests, and anew before it ends", async () => {
  const { clock, headers, signed } = setUp();
  await Promise.all([headers(), headers(), headers()]);
  clock.advance(399_000);
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-1"]);
  assert.equal(signed.length, 1);
  clock.advance(1_000);
  // This request does not wait for the next token; the one after it has it.
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-1"]);
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-2"]);
  assert.equal(signed.length, 2);
});

test("a good token is used while no new one can be signed, and no longer than it lasts", async () => {
  const { clock, headers, state } = setUp();
  await headers();
  state.signs = false;
  clock.advance(599_000);
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-1"]);
  clock.advance(1_000);
  await assert.rejects(headers(), refused("VALUE_UNAVAILABLE", /cannot be signed/, /away/));
  state.signs = true;
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-4"]);
});

test("a role that was taken away is in no token any more", async () => {
  const { headers, signed, state } = setUp();
  await headers();
  state.principal = { ...state.principal, roles: [] };
  await headers();
  assert.deepEqual(signed.map(({ principal }) => principal.roles), [["dev"], []]);
});

test("templates stand for tokens and for each value of a trait", async () => {
  const { headers } = setUp({
    traits: { team: ["a", "b"], mail: ["joe@example.com"] },
    rewrite: {
      headers: [
        { name: "Authorization", value: "Bearer {{internal.jwt}}" },
        { name: "X-Id", value: "{{internal.id_token}}" },
        { name: "X-Team", value: "team-{{external.team}}" },
        { name: "X-Local", value: "{{email.local(external.mail)}}" },
        { name: "X-Plain", value: "plain" },
      ],
    },
  });
  assert.deepEqual(await headers(), [
    "teleport-jwt-assertion: jwt-1",
    "Authorization: Bearer jwt-1",
    "X-Id: id_token-2",
    "X-Team: team-a",
    "X-Team: team-b",
    "X-Local: joe",
    "X-Plain: plain",
  ]);
});

test("no trait of a bot stands in for a token", async () => {
  const { headers } = setUp({
    traits: { jwt: ["forged"], id_token: ["forged"] },
    rewrite: { headers: [{ name: "Authorization", value: "Bearer {{internal.jwt}}" }] },
  });
  assert.deepEqual(await headers(), [
    "teleport-jwt-assertion: jwt-1",
    "Authorization: Bearer jwt-1",
  ]);
});

test("a header of a trait that the bot has not is left out, and the log says so once", async () => {
  const { headers, logged } = setUp({
    rewrite: { headers: [{ name: "X-Team", value: "{{external.team}}" }] },
  });
  await headers();
  assert.deepEqual(await headers(), ["teleport-jwt-assertion: jwt-1"]);
  assert.deepEqual(logged.map(([, fields]) => fields), [{ app: "far", header: "X-Team" }]);
});

for (
  const [what, value] of [
    ["a line end", "a\r\nX-Admin: yes"],
    ["a bare line feed", "a\nb"],
    ["a bare carriage return", "a\rb"],
    ["a NUL", "a\0b"],
    ["a tab", "a\tb"],
    ["DEL", "a\x7fb"],
    ["a letter beyond ASCII", "ä"],
    ["an astral character that some encoders cut to a line end", "\u{1050a}"],
    ["a character whose low byte is a line end", "\u010d\u010a"],
  ] as const
) {
  test(`a trait with ${what} cannot stand in a header, and nothing is sent`, async () => {
    const { headers } = setUp({
      traits: { team: [value] },
      rewrite: { headers: [{ name: "X-Team", value: "{{external.team}}" }] },
    });
    await assert.rejects(headers(), refused("HEADER_INVALID", /"X-Team" to app "far"/));
  });
}

test("a secret that cannot stand in a header is refused and not repeated", async () => {
  const { headers } = setUp({
    run: () => Promise.resolve("sesame\nX-Admin: yes"),
    rewrite: {
      headersFrom: [{
        name: "X-Key",
        prefix: "",
        from: { kind: "command", command: ["mint"], periodMs: 1_000 },
      }],
    },
  });
  await assert.rejects(headers(), refused("HEADER_INVALID", /"X-Key" to app "far"/, /sesame/));
});

test("secrets stand behind their prefix, and each request has the newest", async () => {
  let minted = 0;
  const { clock, headers } = setUp({
    run: () => Promise.resolve(`key-${++minted}\n`),
    rewrite: {
      headersFrom: [{
        name: "Authorization",
        prefix: "Bearer ",
        from: { kind: "command", command: ["mint"], periodMs: 1_000 },
      }],
    },
  });
  assert.equal((await headers())[1], "Authorization: Bearer key-1");
  clock.advance(1_000);
  assert.equal((await headers())[1], "Authorization: Bearer key-2");
});

test("a peer is not told where a secret should have come from; the log is", async () => {
  const { headers, logged } = setUp({
    rewrite: {
      headersFrom: [{ name: "X-Key", prefix: "", from: { kind: "file", path: "/no/such/place" } }],
    },
  });
  await assert.rejects(
    headers(),
    refused("VALUE_UNAVAILABLE", /^The header "X-Key" of app "far" has no value$/, /such/),
  );
  assert.match(String(logged[0]?.[1]?.["error"]), /\/no\/such\/place: ENOENT/);
});

test("headers that no server would take are refused by the limit's name", async () => {
  const { headers } = setUp({
    traits: { team: ["x".repeat(MAX_HEADER_BYTES)] },
    rewrite: { headers: [{ name: "X-Team", value: "{{external.team}}" }] },
  });
  await assert.rejects(headers(), refused("LIMIT_EXCEEDED", /more than 16384 bytes/));
});
