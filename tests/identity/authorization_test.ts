// Who may call what on the authority's public port, over real TLS; and that nothing said there makes
// it fail, hang or tell a secret.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import https from "node:https";
import fc from "fast-check";
import { parse } from "yaml";
import { operationSchemas } from "../../identity/authority/admin/mod.ts";
import { offerPresetRoles } from "../../identity/authority/mod.ts";
import { type Endpoint as Described, ENDPOINTS } from "../../identity/authority/endpoints.ts";
import { publicApi } from "../../identity/authority/public_api.ts";
import { adminPath, type Route, routeOf, ROUTES } from "../../identity/authority/routes.ts";
import { generateKeyPair, systemClock } from "../../identity/mod.ts";
import { type Ca, createCa, issueCertificate } from "../../identity/x509/mod.ts";
import type { Claims } from "../../identity/x509/claims.ts";
import { test, type TestContext } from "../support/harness.ts";
import { type Credentials, type RealAuthority, realAuthority } from "../support/real_authority.ts";

interface Endpoint {
  readonly call: string;
  readonly body?: object;
  readonly expect: readonly {
    readonly callers: "all" | readonly string[];
    readonly answer: string | number;
  }[];
}

const { endpoints }: { endpoints: Endpoint[] } = parse(
  readFileSync(new URL("../vectors/authorization.yaml", import.meta.url), "utf8"),
);
const DAY = 86_400_000;

/** One of each kind of caller; what it has to show. */
async function callersOf(
  authority: RealAuthority,
): Promise<Map<string, Credentials | undefined>> {
  const { cluster } = authority;
  const issue = async (
    claims: Claims,
    { ca = cluster.keys.user, days = 1 }: { ca?: Ca; days?: number } = {},
  ): Promise<Credentials> => {
    const { privateKey: key, publicKey } = generateKeyPair();
    const now = Date.now();
    const { certificate } = await issueCertificate(ca, {
      cluster: cluster.name,
      publicKey,
      claims,
      notBefore: new Date(now - 3 * DAY),
      notAfter: new Date(now + days * DAY),
      usage: ["client"],
    });
    return { certificate, key };
  };
  for (const bot of ["robot", "locked", "removed"]) await authority.addBot(bot, ["dev"]);
  const bots = {
    robot: await authority.join("robot"),
    locked: await authority.join("locked"),
    removed: await authority.join("removed"),
  };
  const identity = await authority.issue(bots.robot);
  const reading = await authority.issue(bots.robot, { reissue: false });
  const lockedIdentity = await authority.issue(bots.locked);
  await offerPresetRoles(cluster);
  await authority.addRole("once", "kind: role\nversion: v8\nmetadata: {name: once}\nspec: {}\n");
  const holderOf = async (bot: string, ...roles: string[]) => {
    await authority.addBot(bot, roles);
    return await authority.issue(await authority.join(bot));
  };
  const admin = await holderOf("admin", "editor");
  const auditor = await holderOf("auditor", "auditor");
  const lockedAdmin = await holderOf("locked-admin", "editor", "once");
  await cluster.store.update(async (tx) => {
    const lock = { target: { bot: "locked" }, message: "test", created: new Date().toISOString() };
    await tx.put("lock", "l", lock);
    await tx.put("lock", "r", { ...lock, target: { role: "once" } });
    await tx.delete("bot", "removed");
  });
  const joined = {
    agent: await authority.joinHost("agent"),
    relay: await authority.joinHost("relay"),
    locked: await authority.joinHost("agent"),
  };
  await cluster.store.update(async (tx) => {
    const target = { host: joined.locked.host };
    await tx.put("lock", "h", { target, message: "test", created: new Date().toISOString() });
  });
  const elsewhere = await createCa({
    cluster: cluster.name,
    kind: "user",
    notBefore: new Date(Date.now() - 3 * DAY),
    notAfter: new Date(Date.now() + DAY),
  });
  const bot: Claims = { kind: "bot", bot: "robot", instance: "0".repeat(32), generation: 1 };
  const held: Claims = {
    kind: "identity",
    bot: "robot",
    instance: "0".repeat(32),
    roles: ["dev"],
    traits: {},
    reissue: true,
  };
  const host = (role: "agent" | "authority" | "relay"): Claims => ({
    kind: "host",
    role,
    host: "ab".repeat(16),
  });
  const session: Claims = {
    kind: "session",
    bot: "robot",
    instance: "0".repeat(32),
    roles: ["dev"],
    traits: {},
    app: "my-mcp-server",
    session: "00000000-0000-4000-8000-000000000000",
    ticket: "0".repeat(20),
  };
  return new Map<string, Credentials | undefined>([
    ["none", undefined],
    ["bot", bots.robot],
    ["locked bot", bots.locked],
    ["removed bot", bots.removed],
    ["expired bot", await issue(bot, { days: -1 })],
    ["identity", identity],
    ["identity for reading", reading],
    ["locked identity", lockedIdentity],
    ["admin", admin],
    ["auditor", auditor],
    ["locked admin", lockedAdmin],
    ["expired identity", await issue(held, { days: -1 })],
    ["session", await issue(session)],
    ["agent", await issue(host("agent"), { ca: cluster.keys.host })],
    ["relay", await issue(host("relay"), { ca: cluster.keys.host })],
    ["authority", await issue(host("authority"), { ca: cluster.keys.host })],
    ["joined agent", joined.agent],
    ["joined relay", joined.relay],
    ["locked agent", joined.locked],
    ["bot of another cluster", await issue(bot, { ca: elsewhere })],
    ["identity of another cluster", await issue(held, { ca: elsewhere })],
  ]);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function ask(
  { proxy }: RealAuthority,
  { call, body }: Endpoint,
  agent: https.Agent,
): Promise<Answer> {
  const [method = "", path = ""] = call.split(" ");
  // The replacement is a function, so that a key is made only where one is asked for.
  const text = body &&
    JSON.stringify(body).replace('"KEY"', () => JSON.stringify(generateKeyPair().publicKey));
  return new Promise((resolve, reject) => {
    const request = https.request(`https://${proxy}${path}`, {
      method,
      agent,
      headers: { "content-type": "application/json" },
    }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on(
        "end",
        () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    request.on("error", reject);
    request.end(text);
  });
}

async function setUp(context: TestContext, clock = systemClock): Promise<RealAuthority> {
  const authority = await realAuthority(context, { clock });
  await authority.addRole(
    "dev",
    "kind: role\nversion: v6\nmetadata: {name: dev}\nspec: {allow: {app_labels: {env: dev}}}\n",
  );
  await authority.addApp({
    name: "my-mcp-server",
    description: "",
    uri: "mcp+stdio://",
    labels: { env: "dev" },
  });
  return authority;
}

test("each caller is answered at each endpoint as the table says", async (context) => {
  let minutes = 0;
  const monotonic = () => systemClock.monotonic() + minutes * 60_000;
  const authority = await setUp(context, { ...systemClock, monotonic });
  const callers = await callersOf(authority);
  // One connection for each caller: what counts is judged for each request.
  const agents = new Map([...callers].map(([name, caller]) => [
    name,
    new https.Agent({
      keepAlive: true,
      maxSockets: 1,
      rejectUnauthorized: false,
      servername: "",
      ...(caller && { cert: caller.certificate, key: caller.key }),
    }),
  ]));
  context.cleanup(() => agents.forEach((agent) => agent.destroy()));
  for (const endpoint of endpoints) {
    // All come from one address, which may be refused so often in a minute.
    minutes++;
    const expected = new Map<string, string>();
    for (const { answer, callers: named } of endpoint.expect) {
      for (const name of named === "all" ? callers.keys() : named) {
        assert.ok(callers.has(name), `${endpoint.call}: there is a caller ${name}`);
        expected.set(name, String(answer));
      }
    }
    const asked = [...agents].map(async ([name, agent]) => ({
      name,
      ...await ask(authority, endpoint, agent),
    }));
    for (const { name, status, text } of await Promise.all(asked)) {
      const code = status < 400 ? "" : ` ${JSON.parse(text).error.code}`;
      assert.equal(`${status}${code}`, expected.get(name), `${endpoint.call} as ${name}: ${text}`);
      assert.doesNotMatch(text, /PRIVATE KEY/);
    }
  }
});

test("the table has a row for each endpoint", () => {
  const rows = endpoints.map(({ call }) => call);
  for (const name of Object.keys(ROUTES) as Route[]) {
    const { method, path } = routeOf(name);
    const { aliases = [] } = ENDPOINTS[name] as Described;
    for (const each of [path, ...aliases]) assert.ok(rows.includes(`${method} ${each}`), each);
  }
  for (const operation of Object.keys(operationSchemas)) {
    assert.ok(rows.includes(`POST ${adminPath(operation)}`), operation);
  }
});

test("whatever is said to an endpoint, it answers: never 500, never a secret", async (context) => {
  const authority = await setUp(context);
  const token = await authority.addToken("robot");
  const api = publicApi(authority.cluster);
  const secrets = [token, "PRIVATE KEY"];
  const paths = [...new Set(endpoints.map(({ call }) => call.split(" ")[1]!))];
  const member = fc.constantFrom(
    ...["method", "token", "ttl", "publicKey", "app", "reissue", "roles", "idToken", "__proto__"],
    ...["challenge", "boundKey", "proof", "secret", "state", "next"],
  );
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(
      "token",
      "github",
      "bound_keypair",
      "kubernetes",
      generateKeyPair().publicKey,
      60,
      true,
      [
        "dev",
      ],
    ),
  );
  const body = fc.oneof(
    fc.dictionary(member, value).map((object) => JSON.stringify(object)),
    fc.json(),
    fc.string({ unit: "binary", maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST", "PUT", "HEAD"),
      fc.oneof(fc.constantFrom(...paths), fc.webPath()),
      body,
      async (method, path, text) => {
        const request = new Request(`https://cluster.test${path}`, {
          method,
          headers: { "content-type": "application/json" },
          ...(method === "POST" || method === "PUT" ? { body: text } : {}),
        });
        // A source of its own each time, lest a limit answers in the place of the endpoint.
        const remote = crypto.randomUUID();
        const response = await api.fetch(request, { peer: undefined, remote });
        const said = await response.text();
        assert.ok(response.status < 500, `${method} ${path} ${text}: ${response.status} ${said}`);
        for (const secret of secrets) assert.ok(!said.includes(secret), `${method} ${path}`);
      },
    ),
    { numRuns: 400 },
  );
});
