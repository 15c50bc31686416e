// The administration from afar is held to its description: each operation answers what its schema
// says, whatever it is sent, and nobody makes the authority read more than it takes.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { apiFailure } from "../../identity/authority/_answers.ts";
import type { Admin, LocalAgent, RemoteOperation } from "../../identity/authority/admin/mod.ts";
import { adminEndpoint, REMOTE_OPERATIONS } from "../../identity/authority/endpoints.ts";
import { openapi } from "../../identity/authority/mod.ts";
import { errorsOf } from "../../identity/authority/openapi.ts";
import { publicApi } from "../../identity/authority/public_api.ts";
import { adminPath } from "../../identity/authority/routes.ts";
import { fitting, type JsonSchema, nearlyFitting } from "../support/from_schema.ts";
import { test, type TestContext } from "../support/harness.ts";
import { type Credentials, realAuthority } from "../support/real_authority.ts";

interface Post {
  readonly requestBody: { readonly content: { "application/json": { schema: JsonSchema } } };
  readonly responses: Readonly<Record<string, object>>;
}
const paths = openapi()["paths"] as Readonly<Record<string, { readonly post: Post }>>;

const digest = "a".repeat(64);
const role = (name: string, spec: string) =>
  `kind: role\nversion: v8\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const documents = `${role("one", "{}")}---
kind: app
version: v3
metadata: {name: files, labels: {env: dev}}
spec: {uri: "mcp+http://files.test/"}
---
kind: lock
version: v2
metadata: {name: one-lock}
spec: {target: {role: one}}
`;

/** What succeeds, in an order in which it does. */
const EXAMPLES: { readonly [K in RemoteOperation]: Parameters<Admin[K]>[0] } = {
  createResources: { text: documents, file: "all.yaml", force: false },
  addBot: { name: "fresh", roles: ["one"], maxSessionTtl: 3600 },
  updateBot: { name: "fresh", setLogins: ["root"] },
  addToken: { bot: "fresh", value: "a-value-that-is-known" },
  addHostToken: { roles: ["agent"], apps: ["files"] },
  addLock: { bot: "robot", ttl: 60, message: "wait" },
  approveTool: { app: "files", tool: "read", sha256: digest },
  status: {},
  trust: {},
  getResources: {
    refs: (["role", "bot", "token", "app", "lock", "bot_instance", "host"] as const)
      .map((kind) => ({ kind })),
    secrets: true,
  },
  listBots: {},
  listInstances: {},
  listTokens: {},
  listSessions: {},
  listApprovals: {},
  auditEvents: { limit: 100 },
  auditRecords: { after: 0, limit: 100 },
  policyWorld: {},
  appTools: { app: "files" },
  decisionEvents: { id: "00000000-0000-4000-8000-000000000000" },
  revokeTool: { app: "files", tool: "read" },
  removeToken: { token: "a-value-that-is-known" },
  removeBot: { name: "fresh" },
  removeResource: { kind: "lock", name: "one-lock" },
  rotateCa: { type: "user", phase: "init", mode: "manual", graceSeconds: 3600 },
};

test("each remote operation answers what the OpenAPI document says: no 500, no secret", async (context) => {
  const { admin, ask, plain, secrets } = await setUp(context);
  assert.deepEqual(Object.keys(EXAMPLES).sort(), [...REMOTE_OPERATIONS].sort());
  const seen: Record<string, unknown> = {};
  for (const [name, argument] of Object.entries(EXAMPLES)) {
    const operation = name as RemoteOperation;
    const response = await ask(operation, JSON.stringify(argument), admin);
    const answer: unknown = JSON.parse(response.text);
    assert.equal(response.status, 200, `${name}: ${response.text}`);
    adminEndpoint(operation).answer.parse(answer);
    seen[name] = answer;
  }
  // A schema of lists says nothing about lists that are empty.
  for (const name of ["getResources", "listInstances", "listTokens", "listSessions"]) {
    assert.ok((seen[name] as unknown[]).length > 0, name);
  }

  const seeds = ["one", "robot", "fresh", "files", digest, documents, role("two", "{}")];
  for (const name of REMOTE_OPERATIONS) {
    const { requestBody, responses } = paths[adminPath(name)]!.post;
    const { schema } = requestBody.content["application/json"];
    const body = fc.oneof(
      fitting(schema, seeds).map((value) => JSON.stringify(value)),
      nearlyFitting(schema, seeds).map((value) => JSON.stringify(value)),
      fc.string({ unit: "binary", maxLength: 200 }),
    );
    // Keys that are replaced under its feet are another test's.
    const peers = name === "rotateCa" ? [plain, undefined] : [admin, admin, plain, undefined];
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(...peers), async (sent, peer) => {
        const { status, text } = await ask(name, sent, peer);
        for (const secret of secrets) assert.ok(!text.includes(secret), `${name} tells a secret`);
        if (status === 200) {
          assert.equal(peer, admin, `${name} is for those whose roles allow it`);
          return void adminEndpoint(name).answer.parse(JSON.parse(text));
        }
        const { error } = apiFailure.parse(JSON.parse(text));
        assert.ok(status < 500, `${name} ${sent}: ${text}`);
        assert.ok(errorsOf(adminEndpoint(name)).some((code) => code === error.code), error.code);
        assert.ok(responses[status], `${name}: ${status}`);
        if (peer === undefined) assert.equal(error.code, "CERTIFICATE_MISSING");
      }),
      { numRuns: 12 },
    );
  }
});

test("what is larger than a text of resources is not read to its end, and a stranger's not at all", async (context) => {
  const { admin, ask } = await setUp(context);
  const endless = () => {
    const chunk = new TextEncoder().encode("x".repeat(1024 * 1024));
    let chunks = 0;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (++chunks > 64) return controller.close();
      controller.enqueue(chunk);
    };
    const stream = new ReadableStream({ pull }, { highWaterMark: 0 });
    return { stream, read: () => chunks };
  };
  const large = endless();
  const refused = await ask("createResources", large.stream, admin);
  assert.equal(refused.status, 413, refused.text);
  assert.match(refused.text, /The request is too large/);
  assert.ok(large.read() <= 18, `${large.read()} MiB were read`);
  const stranger = endless();
  assert.equal((await ask("createResources", stranger.stream, undefined)).status, 401);
  assert.equal(stranger.read(), 0);
});

async function setUp(context: TestContext) {
  const authority = await realAuthority(context);
  const { cluster } = authority;
  await authority.addRole(
    "ops",
    role("ops", "{allow: {rules: [{resources: ['*'], verbs: ['*']}]}}"),
  );
  await authority.addRole("plain", role("plain", "{}"));
  await authority.addBot("admin", ["ops"]);
  await authority.addBot("robot", ["plain"]);
  const certificateOf = async (bot: string) =>
    raw(await authority.issue(await authority.join(bot)));
  const admin = await certificateOf("admin");
  const plain = await certificateOf("robot");
  await authority.joinHost();
  const agent: LocalAgent = {
    listTools: () => Promise.resolve([{ tool: { name: "read" }, sha256: digest }]),
    openSessions: () => [{
      id: "00000000-0000-4000-8000-000000000001",
      bot: "admin",
      instance: "1",
      app: "files",
      address: "127.0.0.1",
      started: new Date(),
      ended: false,
      closed: Promise.resolve(),
    }],
  };
  const api = publicApi(cluster, () => agent);
  const token = await authority.addToken("robot");
  return {
    admin,
    plain,
    secrets: [token, "PRIVATE KEY"],
    async ask(operation: RemoteOperation, body: string | ReadableStream, peer?: Uint8Array) {
      const request = new Request(`https://cluster.test${adminPath(operation)}`, {
        method: "POST",
        body,
        ...(typeof body !== "string" && { duplex: "half" }),
      } as RequestInit);
      const response = await api.fetch(request, { peer, remote: "192.0.2.1" });
      return { status: response.status, text: await response.text() };
    },
  };
}

function raw({ certificate }: Credentials): Uint8Array {
  return new Uint8Array(new X509Certificate(certificate).raw);
}
