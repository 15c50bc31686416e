// Every event that the audit log knows, provoked on the compiled programs and looked at.
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectHost } from "../../identity/host/mod.ts";
import { generateKeyPair } from "../../identity/mod.ts";
import { EVENT_CODES } from "../../identity/audit/mod.ts";
import { event, events, json, type Seen, SmallServer } from "../support/http_upstream.ts";
import { eventually, GUIDE_ROLE } from "../support/cluster_process.ts";
import { Cutter } from "../support/cutter.ts";
import { OidcIssuer } from "../support/oidc_issuer.ts";
import { Guide } from "../support/guide.ts";
import { test as plainTest, type TestContext } from "../support/harness.ts";
import { scenario as test } from "../support/scenario.ts";
import { EVENTS, EVERYWHERE, SESSION } from "./audit_events.ts";

// deno-lint-ignore no-explicit-any
type Recorded = any;

const rows = Object.entries(EVENTS).flatMap(([type, codes]) =>
  codes.map(({ code, fields }) => {
    const group = type.startsWith("mcp.session.") || type === "mcp.tool.withheld" ? SESSION : "";
    return { type, code, fields: `${EVERYWHERE} ${group} ${fields}`.split(/\s+/) };
  })
);

plainTest("the table of events has every code that can be recorded, and no other", () => {
  const known = Object.entries(EVENT_CODES).flatMap(([type, codes]) =>
    codes.map((code) => `${type} ${code}`)
  );
  assert.deepEqual(rows.map(({ type, code }) => `${type} ${code}`).toSorted(), known.toSorted());
});

const page = readFileSync(new URL("../../docs/audit.md", import.meta.url), "utf8");

/** The rows of a table in one section of the page: a type, and the words in its second column. */
function documented(section: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/^\| `([a-z_.]+)` *\| ([^|]*)/gm)].map(([, type, cell = ""]) =>
    `${type} ${[...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word).join(" ")}`
  ).toSorted();
}

plainTest("docs/audit.md has each type of events with its codes, and no other", () => {
  const known = Object.entries(EVENT_CODES).map(([type, codes]) => `${type} ${codes.join(" ")}`);
  assert.deepEqual(documented("Events"), known.toSorted());
});

plainTest("docs/audit.md has the fields of each type, and no other", () => {
  const known = Object.entries(EVENTS).map(([type, codes]) => {
    const fields = codes.flatMap(({ fields }) => fields.split(" "));
    const names = fields.map((field) => field.replace(/[?/].*/, ""));
    return `${type} ${[...new Set(names)].join(" ")}`;
  });
  assert.deepEqual(documented("Fields"), known.toSorted());
});

/** A server with sessions; `listens` says whether it has a stream for its own messages. */
function serve(listens: () => boolean) {
  return ({ body, method, response }: Seen): void => {
    if (method === "GET") {
      if (!listens()) return void response.writeHead(405).end();
      // Nobody's request: it is held back.
      events(response, event({ jsonrpc: "2.0", method: "notifications/cancelled" }));
      return;
    }
    if (method === "DELETE" || body.id === undefined) return void response.writeHead(202).end();
    response.setHeader("mcp-session-id", "session-of-the-server");
    json(response, { jsonrpc: "2.0", id: body.id, ...answer(body) });
  };
}

function answer({ method, params }: Recorded): object {
  switch (method) {
    case "initialize":
      return {
        result: {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "far-server", version: "1" },
        },
      };
    case "tools/list":
      return {
        result: {
          tools: ["echo", "fail", "pay", "hidden"].map((name) => ({
            name,
            inputSchema: { type: "object" },
          })),
        },
      };
    default:
      return params.name === "fail"
        ? { error: { code: -32000, message: "It did not work" } }
        : { result: { content: [{ type: "text", text: "done" }] } };
  }
}

const APP_RESOURCE = `kind: app
version: v3
metadata: {name: spare, labels: {env: test}}
spec: {uri: 'mcp+https://spare.example.com/mcp'}
`;

async function recordedBy(guide: Guide): Promise<Recorded[]> {
  const exported = await guide.tctl("audit", "export");
  return exported.trim().split("\n").map((line) => JSON.parse(line)).filter(({ type }) =>
    type !== "audit.head"
  );
}

/** Waits until records of a code are in the log. */
async function logged(guide: Guide, code: string, times = 1): Promise<void> {
  await eventually(
    async () => (await recordedBy(guide)).filter((each) => each.code === code).length >= times,
    `${code} is in the log`,
  );
}

/** An administrator changes everything that can be changed. */
async function administer(guide: Guide): Promise<void> {
  await guide.allow(`['echo', 'fail', {name: pay, sha256: ${"a".repeat(64)}}]`);
  guide.write("spare.yaml", GUIDE_ROLE.replace("example-role", "spare"));
  await guide.tctl("create", "spare.yaml");
  await guide.tctl("rm", "role/spare");
  guide.write("app.yaml", APP_RESOURCE);
  await guide.tctl("create", "app.yaml");
  await guide.tctl("create", "-f", "app.yaml");
  await guide.tctl("rm", "app/spare");
  await guide.tctl("bots", "add", "other", "--roles", "example-role");
  await guide.tctl("bots", "update", "other", "--add-logins", "nobody");
  await guide.tctl("lock", "--bot", "other", "--ttl", "1h");
  const locks = JSON.parse(await guide.tctl("get", "lock", "--format=json"));
  await guide.tctl("rm", `lock/${[locks].flat()[0].metadata.name}`);
  await guide.tctl("bots", "rm", "other");
  for (const phase of ["init", "rollback", "standby"]) {
    await guide.tctl("auth", "rotate", "--type=user", "--manual", `--phase=${phase}`);
  }
  await guide.tctl("mcp", "approve", "far", "pay", "--sha256", "b".repeat(64));
  await guide.tctl("mcp", "revoke", "far", "pay");
  await guide.tctl("mcp", "tools", "far");
}

/** One machine joins; one that comes later with its token and one with a wrong token do not. */
async function joinAll(guide: Guide): Promise<void> {
  const token = await guide.token();
  await guide.writeBotFile({ token });
  const storage = join(guide.directory, "second");
  await guide.writeBotFile({ token, storage }, "late.yaml");
  await guide.writeBotFile({ token: "f".repeat(32), storage }, "stranger.yaml");
  const start = async (file: string) =>
    (await guide.run("tbot", "start", "-c", file, "--oneshot")).code;
  assert.equal(await start("tbot.yaml"), 0);
  assert.notEqual(await start("late.yaml"), 0);
  assert.notEqual(await start("stranger.yaml"), 0);
}

/** A pod joins by the token of its service account. */
async function joinPod(guide: Guide, issuer: OidcIssuer): Promise<void> {
  const section = {
    type: "static_jwks",
    static_jwks: { jwks: issuer.jwks },
    allow: [{ service_account: "agents:mcp" }],
  };
  const token = {
    kind: "token",
    version: "v2",
    metadata: { name: "pods" },
    spec: { roles: ["Bot"], join_method: "kubernetes", bot_name: "example", kubernetes: section },
  };
  await guide.tctl("create", guide.write("pods.yaml", JSON.stringify(token)));
  const claims = {
    sub: "system:serviceaccount:agents:mcp",
    "kubernetes.io": { namespace: "agents", pod: { name: "p" } },
  };
  const path = guide.write("pod-token", await issuer.token({ claims }));
  await guide.writeBotFile({ token: "pods", storage: join(guide.directory, "pod") }, "pod.yaml");
  const text = readFileSync(join(guide.directory, "pod.yaml"), "utf8");
  const method = `join_method: kubernetes\n  kubernetes: {token_path: ${path}}`;
  guide.write("pod.yaml", text.replace("join_method: token", method));
  assert.equal((await guide.run("tbot", "start", "-c", "pod.yaml", "--oneshot")).code, 0);
}

/** A machine joins by a key of its own, replaces it, and is copied. */
async function joinByKey(guide: Guide): Promise<void> {
  const at = (name: string) => join(guide.directory, name);
  const token = {
    kind: "token",
    version: "v2",
    metadata: { name: "own-key" },
    spec: {
      roles: ["Bot"],
      join_method: "bound_keypair",
      bot_name: "example",
      bound_keypair: { recovery: { mode: "relaxed" } },
    },
  };
  await guide.tctl("create", guide.write("own-key.yaml", JSON.stringify(token)));
  const [{ status }] = JSON.parse(
    await guide.tctl("get", "token/own-key", "--with-secrets", "--format=json"),
  );
  const section = `{registration_secret: ${status.bound_keypair.registration_secret}}`;
  const write = async (storage: string) => {
    const places = { storage: at(storage), destination: at(`${storage}-id`) };
    await guide.writeBotFile({ token: "own-key", ...places }, `${storage}.yaml`);
    const text = readFileSync(at(`${storage}.yaml`), "utf8");
    const method = `join_method: bound_keypair\n  bound_keypair: ${section}`;
    guide.write(`${storage}.yaml`, text.replace("join_method: token", method));
  };
  const start = async (storage: string) => {
    const line = ["start", "-c", `${storage}.yaml`, "--oneshot"];
    return (await guide.run("tbot", ...line)).code;
  };
  await write("key");
  await write("key-copy");
  assert.equal(await start("key"), 0);
  await guide.tctl("bound-keypair", "rotate", "own-key");
  cpSync(at("key"), at("key-copy"), { recursive: true });
  assert.equal(await start("key"), 0);
  assert.notEqual(await start("key-copy"), 0);
}

/** An agent joins, would serve what it may not, and is removed; a stranger does not join. */
async function joinHosts(guide: Guide): Promise<void> {
  const made = await guide.tctl("tokens", "add", "--type=app", "--apps=own", "--format=json");
  const proxy = guide.cluster.proxy;
  const pins = [guide.pin];
  const { privateKey: key, publicKey } = generateKeyPair();
  const join = (token: string) =>
    connectHost(() => ({ proxy, trust: { kind: "pins", pins } }))
      .join({ token, role: "agent", name: "machine", publicKey });
  const { certificate, host, trust } = await join(JSON.parse(made).token);
  const agent = connectHost(() => ({
    proxy,
    trust: { kind: "cas", hostCas: trust.hostCas },
    credentials: { certificate, key },
  }));
  await agent.presentApps([{ name: "far", description: "", uri: "mcp+http://x/", labels: {} }]);
  await guide.tctl("rm", `host/${host}`);
  await assert.rejects(agent.renew({ publicKey }), { code: "ACCESS_DENIED" });
  await assert.rejects(join("f".repeat(32)), { code: "JOIN_REFUSED" });
}

/** Two sessions, with a server that has a stream and with one that has none, and one refused. */
async function talk(
  context: TestContext,
  guide: Guide,
  withoutStream: () => void,
): Promise<void> {
  const client = await guide.open({ app: "far" });
  await client.tools();
  await client.call("echo", { message: "hello" });
  await client.refusal("fail");
  await client.refusal("hidden");
  await client.send({ jsonrpc: "2.0", method: "tools/call", params: { name: "echo" } });
  await logged(guide, "PMCP002E");
  await client.close();
  await logged(guide, "TMCP002I");
  withoutStream();
  const second = await guide.open({ app: "far" });
  await logged(guide, "TMCP005E");
  await second.close();
  await logged(guide, "TMCP002I", 2);
  const cutter = await Cutter.open(context, guide.cluster.proxy);
  const near = await guide.open({ proxy: cutter.address });
  await near.call("echo", { message: "hello" });
  cutter.cut();
  await near.call("echo", { message: "hello again" });
  await assert.rejects(guide.open({ app: "far" }), "one session at a time is the limit");
  await near.close();
  await assert.rejects(guide.open({ app: "unknown" }));
}

/** A machine whose credentials are copied, and a cluster that forgets what it has issued. */
async function copyAndRestore(guide: Guide): Promise<void> {
  const renew = (file = "tbot.yaml") => guide.run("tbot", "start", "-c", file, "--oneshot");
  const at = (name: string) => join(guide.directory, name);
  const run = async (...args: string[]) => {
    const { code, stderr } = await guide.run("app-agent", ...args, "--data-dir", at("data"));
    assert.equal(code, 0, stderr);
  };
  // The first is for the event, which is not in the backup that tells of it.
  await run("backup", at("before"));
  await run("backup", at("backup"));
  assert.equal((await renew()).code, 0);
  await guide.cluster.stop();
  await run("restore", at("backup"), "--force");
  await guide.cluster.start();
  assert.equal((await renew()).code, 0);

  cpSync(at("bot"), at("copy"), { recursive: true });
  const file = readFileSync(at("tbot.yaml"), "utf8");
  guide.write("copy.yaml", file.replace(at("bot"), at("copy")));
  assert.equal((await renew()).code, 0);
  assert.notEqual((await renew("copy.yaml")).code, 0);
  // From now on the lock alone is enough.
  assert.notEqual((await renew("copy.yaml")).code, 0);
}

test(
  "the audit log has every event that it knows, and each has its fields",
  async (context) => {
    let stream = true;
    const server = await SmallServer.start(serve(() => stream), context);
    const guide = await Guide.start(context, {
      sections: [
        "    - name: far",
        `      uri: mcp+${server.url}`,
        "      labels: {env: dev}",
        "      rewrite: {headers: ['Authorization: Bearer {{internal.jwt}}']}",
        "  limits: {sessions_per_bot: 1}",
        "",
      ].join("\n"),
    });
    await administer(guide);
    await joinAll(guide);
    await joinHosts(guide);
    await joinPod(guide, await OidcIssuer.start(context));
    await joinByKey(guide);
    await talk(context, guide, () => void (stream = false));
    await copyAndRestore(guide);
    const [instance] = JSON.parse(await guide.tctl("bots", "instances", "ls", "--format=json"));
    await guide.tctl("rm", `bot_instance/example/${instance.instance}`);

    const recorded = await recordedBy(guide);
    for (const { type, code, fields } of rows) {
      const found = recorded.filter((each) => each.type === type && each.code === code);
      assert.notEqual(found.length, 0, `${type} ${code} is in the log`);
      for (const field of fields.filter((field) => field !== "")) {
        const has = (each: Recorded) => valueAt(each, field.replace("?", "")) !== undefined;
        const holds = field.endsWith("?") ? found.some(has) : found.every(has);
        assert.ok(holds, `${type} ${code} has ${field}: ${JSON.stringify(found[0])}`);
      }
    }
    const known = new Set(rows.map(({ type, code }) => `${type} ${code}`));
    const others = recorded.filter(({ type, code }) => !known.has(`${type} ${code}`));
    assert.deepEqual(others, []);

    const [start] = recorded.filter(({ code, app_name }) =>
      code === "TMCP001I" && app_name === "far"
    );
    assert.equal(start.mcp_session_id, "session-of-the-server");
    assert.equal(start.egress_auth_type, "app-jwt");
    assert.deepEqual(start.headers, {
      "teleport-jwt-assertion": ["<REDACTED>"],
      Authorization: ["<REDACTED>"],
    });
    assert.doesNotMatch(JSON.stringify(recorded), /eyJ[A-Za-z0-9_-]{20}/, "no token is recorded");
  },
  { proves: ["audit.events"] },
);

/** The value at `a/b`. */
function valueAt(recorded: Recorded, path: string): unknown {
  return path.split("/").reduce((value, key) => value?.[key], recorded);
}
