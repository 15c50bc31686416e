import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { openCluster } from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import type { TokenItem } from "../../identity/authority/cluster.ts";
import { IdentityError, silentLog } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const ROLE = `kind: role
version: v6
metadata: {name: reader}
spec:
  allow:
    app_labels: {env: dev}
    mcp: {tools: [echo]}
`;
const BOT = "kind: bot\nversion: v1\nmetadata: {name: example}\nspec: {roles: [reader]}\n";
const APP = `kind: app
version: v3
metadata: {name: everything, description: all of it, labels: {env: dev}}
spec: {mcp: {command: npx, args: [everything], run_as_host_user: nobody}}
`;
const LOCK = "kind: lock\nversion: v2\nmetadata: {name: stop}\n" +
  "spec: {target: {user: bot-example}, message: wait}\n";
const TOKEN = "kind: token\nversion: v2\nmetadata: {name: a-secret-token}\n" +
  "spec: {roles: [Bot], bot_name: example}\n";

test("createResources() writes every kind of document and says what became of each", async (context) => {
  const { admin, create, events } = await setUp(context);
  const all = [BOT, ROLE, APP, LOCK, TOKEN].join("---\n");
  const id = createHash("sha256").update("a-secret-token").digest("hex");
  const named = [["bot", "example"], ["role", "reader"], ["app", "everything"], ["lock", "stop"], [
    "token",
    id,
  ]];
  const expect = (change: string) => named.map(([kind, name]) => ({ kind, name, change }));
  assert.deepEqual(await create(all), expect("created"));
  assert.deepEqual(await create(all, true), expect("updated"));
  assert.deepEqual(
    await events(),
    [
      ["bot.create", "TB001I"],
      ["role.created", "T9000I"],
      ["app.create", "TAP03I"],
      ["lock.created", "TLK00I"],
      ["join_token.create", "TJT00I"],
      ["bot.update", "TB002I"],
      ["role.updated", "T9002I"],
      ["app.update", "TAP04I"],
      ["lock.created", "TLK00I"],
      ["join_token.create", "TJT00I"],
    ],
  );
  const [app] = await admin.getResources({ refs: [{ kind: "app", name: "everything" }] });
  assert.equal(app?.metadata["description"], "all of it");
  assert.deepEqual(app?.metadata["labels"], {
    env: "dev",
    "teleport.internal/app-sub-kind": "mcp",
  });
});

test("what getResources() gives, createResources() takes", async (context) => {
  const { admin, create } = await setUp(context);
  await create([ROLE, BOT, APP, LOCK].join("---\n"));
  const refs = (["role", "bot", "app", "lock"] as const).map((kind) => ({ kind }));
  const before = await admin.getResources({ refs });
  assert.equal(before.length, 4);
  await create(before.map((resource) => JSON.stringify(resource)).join("\n---\n"), true);
  const after = await admin.getResources({ refs });
  const bare = (resources: typeof before) =>
    resources.map(({ metadata: { revision: _, ...metadata }, ...rest }) => ({ ...rest, metadata }));
  assert.equal(JSON.stringify(bare(after)), JSON.stringify(bare(before)));
  assert.notEqual(after[0]?.metadata["revision"], before[0]?.metadata["revision"]);
});

test("one bad document among several, and nothing is written", async (context) => {
  const { admin, create, events } = await setUp(context);
  const bad = `# comment
${ROLE}---
kind: role
version: v6
metadata: {name: broken}
spec:
  allow: {mcp: {tools: ['^(open$']}}
--- {kind: bot, version: v1, metadata: {name: "a b"}, spec: {rules: [x]}}
---
kind: kube_cluster
---
- 1
`;
  await assert.rejects(create(bad), (error: Error & { code: string }) => {
    assert.equal(error.code, "BAD_REQUEST");
    const lines = error.message.split("\n");
    assert.equal(lines[0], "Cannot use roles.yaml: 5 problems");
    assert.match(
      lines[1] ?? "",
      /^roles\.yaml:14:27: spec\.allow\.mcp\.tools\[0\]: missing closing \)/,
    );
    assert.match(lines[2] ?? "", /^roles\.yaml:15:\d+: a bot's name has/);
    assert.match(lines[3] ?? "", /^roles\.yaml:15:\d+: unknown key `rules` \(did you mean `roles`/);
    assert.match(
      lines[4] ?? "",
      /^roles\.yaml:17:\d+: creating resources of type "kube_cluster" is not supported/,
    );
    assert.match(lines[5] ?? "", /^roles\.yaml:19:1: A resource is a map/);
    return true;
  });
  assert.deepEqual(await admin.getResources({ refs: [{ kind: "role" }] }), []);
  assert.deepEqual(await events(), []);
});

test("a resource that exists stays as it is without force, and so does all else", async (context) => {
  const { admin, create } = await setUp(context);
  await create(ROLE);
  const other = ROLE.replace("reader", "other");
  await assert.rejects(create(`${other}---\n${ROLE}`), {
    code: "ALREADY_EXISTS",
    message: 'role "reader" already exists',
    hint: "use -f or --force flag to overwrite",
  });
  assert.equal((await admin.getResources({ refs: [{ kind: "role" }] })).length, 1);
});

test("a stored role keeps the lines that it had in its file", async (context) => {
  const { create, cluster } = await setUp(context);
  await create(`${BOT.replace("[reader]", "[]")}---\n${ROLE}`);
  assert.deepEqual(cluster.view.role("reader")?.at, { file: "roles.yaml", line: 6, column: 1 });
});

test("places are right after Windows line ends, a byte order mark, and directives", async (context) => {
  const { create, cluster } = await setUp(context);
  const role = (name: string) => ROLE.replace("reader", name);
  const text = `\ufeff${role("one")}...\n%YAML 1.2\n---\n${role("two")}`.replaceAll("\n", "\r\n");
  await create(
    `${text}--- ${JSON.stringify({ kind: "role", version: "v6", metadata: { name: "three" } })}`,
  );
  const places = ["one", "two", "three"].map((name) => cluster.view.role(name)?.at);
  assert.deepEqual(places.map((at) => [at?.line, at?.column]), [[1, 1], [11, 1], [18, 5]]);
});

const wrong: Record<string, [string, { code: string; message: RegExp | string }]> = {
  "an empty text": ["---\n# nothing\n", {
    code: "BAD_REQUEST",
    message: "no resources found, empty input?",
  }],
  "a text that is no YAML": ["kind: [", {
    code: "BAD_REQUEST",
    message: /roles\.yaml:1:8: Not val/,
  }],
  "a key that stands twice": ["kind: bot\nkind: role\n", {
    code: "BAD_REQUEST",
    message: /roles\.yaml:2:1: Not valid YAML/,
  }],
  "the same role twice": [`${ROLE}---\n${ROLE}`, {
    code: "BAD_REQUEST",
    message: /roles\.yaml:11:18: There is a second role/,
  }],
  "a bot with a role that is not there": [BOT, {
    code: "NOT_FOUND",
    message: 'role "reader" does not exist',
  }],
  "a token that could be guessed": [TOKEN.replace("a-secret-token", "short"), {
    code: "BAD_REQUEST",
    message: /at least 8 characters/,
  }],
  "the id of a token as a token": [TOKEN.replace("a-secret-token", "a1".repeat(32)), {
    code: "BAD_REQUEST",
    message: /this is the id of a token/,
  }],
  "a token for an authority": [TOKEN.replace("[Bot]", "[Auth]"), {
    code: "BAD_REQUEST",
    message: /authorities do not join/,
  }],
  "a token for a bot and a host": [TOKEN.replace("[Bot]", "[Bot, App]"), {
    code: "BAD_REQUEST",
    message: /only roles: \[Bot\] is supported/,
  }],
  "an app that is over HTTP and is started": [APP.replace("{mcp:", "{uri: mcp+http://x, mcp:"), {
    code: "BAD_REQUEST",
    message: /`mcp` starts a server, but the uri names one over HTTP/,
  }],
  "a lock without a target": [LOCK.replace("user: bot-example", ""), {
    code: "BAD_REQUEST",
    message: /a lock has one target/,
  }],
  "a lock of two targets": [LOCK.replace("{user", "{bot_instance_id: x, user"), {
    code: "BAD_REQUEST",
    message: /a lock has one target/,
  }],
  "brackets without end": ["[".repeat(100_000), { code: "BAD_REQUEST", message: /roles\.yaml:1:/ }],
  "more aliases than memory holds": [
    `a: &a [x,x,x,x,x,x,x,x,x]\n${
      [..."bcdefgh"].map((key, i) => {
        const before = "abcdefgh"[i];
        return `${key}: &${key} [${Array(9).fill(`*${before}`).join(",")}]\n`;
      }).join("")
    }`,
    { code: "BAD_REQUEST", message: /alias/ },
  ],
};
for (const [what, [text, expected]] of Object.entries(wrong)) {
  test(`createResources() refuses ${what}`, async (context) => {
    const { create, events } = await setUp(context);
    await assert.rejects(create(text), expected);
    assert.deepEqual(await events(), []);
  });
}

test("addBot() makes a bot and a one-time token that is stored as a hash", async (context) => {
  const { admin, cluster, create, events } = await setUp(context);
  await create(ROLE);
  const bot = await admin.addBot({ name: "example", roles: ["reader", "reader"] });
  assert.match(bot.token, /^[0-9a-f]{32}$/);
  assert.equal(bot.expires, "2026-11-23T13:00:00.000Z");
  assert.deepEqual([bot.ttl, bot.roles], [3600, ["reader"]]);
  assert.match(bot.caPins[0] ?? "", /^sha256:[0-9a-f]{64}$/);
  const id = createHash("sha256").update(bot.token).digest("hex");
  const item = await cluster.store.get<TokenItem>("token", id);
  assert.deepEqual(item?.value, { bot: "example", expires: "2026-11-23T13:00:00.000Z" });
  assert.equal(item?.expires?.toISOString(), "2026-11-30T13:00:00.000Z");
  assert.deepEqual(await events(), [
    ["role.created", "T9000I"],
    ["bot.create", "TB001I"],
    ["join_token.create", "TJT00I"],
  ]);
  const recorded = JSON.stringify(await admin.auditEvents({ limit: 100 }));
  assert.ok(!recorded.includes(bot.token));
  await assert.rejects(admin.addBot({ name: "example", roles: [] }), { code: "ALREADY_EXISTS" });
  await assert.rejects(admin.addBot({ name: "b", roles: ["nobody"] }), { code: "NOT_FOUND" });
  await assert.rejects(admin.addBot({ name: "a/b", roles: [] }), { code: "BAD_REQUEST" });
  await assert.rejects(admin.addBot({ name: "x".repeat(129), roles: [] }), { code: "BAD_REQUEST" });
  assert.deepEqual((await admin.listBots({})).map(({ name }) => name), ["example"]);
});

test("addBot() takes a token that was made for this bot, and no other", async (context) => {
  const { admin, create, clock } = await setUp(context);
  const expires = "2026-11-23T12:30:00Z";
  await create(TOKEN.replace("name: a-secret-token", `name: a-secret-token, expires: ${expires}`));
  const add = (name: string, token = "a-secret-token") => admin.addBot({ name, roles: [], token });
  await assert.rejects(add("other"), { message: /it is for bot "example"/ });
  await assert.rejects(add("example", "another-token"), { message: /it does not exist/ });
  assert.deepEqual(await admin.listBots({}), []);
  const bot = await add("example");
  assert.deepEqual([bot.token, bot.ttl], ["a-secret-token", 1800]);
  await admin.removeBot({ name: "example" });
  await create(TOKEN.replace("name: a-secret-token", `name: a-secret-token, expires: ${expires}`));
  clock.advance(1800_000);
  await assert.rejects(add("example"), { message: /it has expired/ });
});

test("updateBot() changes what it is asked to, and checks roles first", async (context) => {
  const { admin, create, events } = await setUp(context);
  await create(`${ROLE}---\n${ROLE.replace("reader", "writer")}`);
  await admin.addBot({ name: "example", roles: [] });
  const { changed, bot } = await admin.updateBot({
    name: "example",
    addRoles: ["reader", "writer"],
    addLogins: ["alice"],
    setMaxSessionTtl: 7200,
  });
  assert.ok(changed);
  assert.deepEqual(bot, {
    name: "example",
    roles: ["reader", "writer"],
    traits: { logins: ["alice"] },
    maxSessionTtl: 7200,
    locked: false,
  });
  const again = await admin.updateBot({ name: "example", addRoles: ["reader"] });
  assert.equal(again.changed, false);
  const set = await admin.updateBot({ name: "example", setRoles: ["writer"], setLogins: [] });
  assert.deepEqual([set.bot.roles, set.bot.traits], [["writer"], { logins: [] }]);
  await assert.rejects(admin.updateBot({ name: "example", addRoles: ["nobody"] }), {
    code: "NOT_FOUND",
    message: 'role "nobody" does not exist',
  });
  await assert.rejects(admin.updateBot({ name: "nobody" }), { code: "NOT_FOUND" });
  assert.equal((await events()).filter(([type]) => type === "bot.update").length, 2);
});

test("removeBot() takes instances and tokens along, and nothing of another bot", async (context) => {
  const { admin, cluster } = await setUp(context);
  for (const name of ["example", "other"]) {
    await admin.addBot({ name, roles: [] });
    await addInstance(cluster, name, `${name}-1`);
  }
  await admin.removeBot({ name: "example" });
  assert.deepEqual((await admin.listTokens({})).map(({ bot }) => bot), ["other"]);
  assert.deepEqual((await admin.listInstances({})).map(({ bot }) => bot), ["other"]);
  assert.equal(cluster.view.standing("other", "other-1").kind, "live");
});

test("a bot that is made anew does not bring certificates of the old one back", async (context) => {
  const { admin, cluster, clock } = await setUp(context);
  await admin.addBot({ name: "example", roles: [] });
  await addInstance(cluster, "example", "old");
  await admin.removeBot({ name: "example" });
  await admin.addBot({ name: "example", roles: [] });
  assert.equal(cluster.view.standing("example", "old").kind, "locked");
  assert.equal(cluster.view.standing("example", "new").kind, "live");
  clock.advance(24 * 3600_000);
  assert.deepEqual(await admin.getResources({ refs: [{ kind: "lock" }] }), []);
});

test("a role that a bot has cannot be removed before it is taken away", async (context) => {
  const { admin, create, events } = await setUp(context);
  await create(`${ROLE}---\n${BOT}`);
  const remove = () => admin.removeResource({ kind: "role", name: "reader" });
  await assert.rejects(remove(), { code: "CONFLICT", message: /bot "example" still has it/ });
  await admin.updateBot({ name: "example", setRoles: [] });
  assert.deepEqual(await remove(), { kind: "role", name: "reader" });
  await assert.rejects(remove(), { code: "NOT_FOUND", message: 'role "reader" is not found' });
  assert.deepEqual((await events()).at(-1), ["role.deleted", "T9001I"]);
});

test("tokens are found by the secret, the id, or the id's first digits", async (context) => {
  const { admin, clock } = await setUp(context);
  await admin.addBot({ name: "example", roles: [] });
  const { token, ttl } = await admin.addToken({ bot: "example" });
  assert.equal(ttl, 1800);
  const id = createHash("sha256").update(token).digest("hex");
  const named = await admin.addToken({ bot: "example", value: "a-secret-token", ttl: 60 });
  assert.equal(named.token, "a-secret-token");
  await assert.rejects(admin.addToken({ bot: "example", value: "a-secret-token" }), {
    code: "ALREADY_EXISTS",
  });
  await assert.rejects(admin.addToken({ bot: "example", value: "abc" }), { code: "BAD_REQUEST" });
  await assert.rejects(admin.addToken({ bot: "nobody" }), { code: "NOT_FOUND" });
  clock.advance(60_000);
  const states = (await admin.listTokens({})).map(({ state }) => state).sort();
  assert.deepEqual(states, ["expired", "unused", "unused"]);
  await assert.rejects(admin.removeToken({ token: id.slice(0, 7) }), { code: "NOT_FOUND" });
  assert.equal((await admin.removeToken({ token: id.slice(0, 8) })).id, id);
  await admin.removeToken({ token: "a-secret-token" });
  assert.equal((await admin.listTokens({})).length, 1);
  await assert.rejects(admin.removeToken({ token: id }), { code: "NOT_FOUND" });
});

test("addLock() locks a bot or one instance at once, until it ends", async (context) => {
  const { admin, cluster, clock, events } = await setUp(context);
  await admin.addBot({ name: "example", roles: [] });
  await addInstance(cluster, "example", "one");
  await addInstance(cluster, "example", "two");
  const standing = (instance: string) => cluster.view.standing("example", instance);
  await admin.addLock({ instance: "example/one", message: "lost" });
  assert.deepEqual(standing("one"), { kind: "locked", message: "lost" });
  assert.equal(standing("two").kind, "live");
  const { expires } = await admin.addLock({ bot: "example", ttl: 60 });
  assert.equal(expires, "2026-11-23T12:01:00.000Z");
  assert.equal(standing("two").kind, "locked");
  assert.equal((await admin.listBots({}))[0]?.locked, true);
  clock.advance(60_000);
  assert.equal(standing("two").kind, "live");
  assert.deepEqual((await admin.listInstances({ bot: "example" })).map(({ locked }) => locked), [
    true,
    false,
  ]);
  for (const target of [{}, { bot: "example", instance: "one" }]) {
    await assert.rejects(admin.addLock(target), { code: "BAD_REQUEST" });
  }
  await assert.rejects(admin.addLock({ bot: "exampel" }), { code: "NOT_FOUND" });
  await assert.rejects(admin.addLock({ instance: "three" }), { code: "NOT_FOUND" });
  assert.equal((await events()).filter(([, code]) => code === "TLK00I").length, 2);
});

test("status() tells the pin of the host CA", async (context) => {
  const { admin } = await setUp(context);
  const status = await admin.status({});
  assert.equal(status.cluster, "example.test");
  assert.deepEqual(status.cas.map(({ kind, expires }) => [kind, expires.slice(0, 10)]), [
    ["host", "2036-11-23"],
    ["user", "2036-11-23"],
  ]);
  assert.match(status.caPins[0] ?? "", /^sha256:[0-9a-f]{64}$/);
});

test("a change that cannot be recorded is done all the same, and nobody is told otherwise", async (context) => {
  const { cluster, create } = await setUp(context);
  await create(ROLE + "---\n" + BOT);
  const full = new IdentityError("SPOOL_FULL", "The limit audit.spool_limit_mib is reached");
  const audit = { append: () => Promise.reject(full) } as unknown as Cluster["audit"];
  const admin = createAdmin({ ...cluster, audit });
  const bad = admin.createResources({ text: LOCK, file: "lock.yaml", force: false });
  await assert.rejects(bad, {
    code: "AUDIT_UNAVAILABLE",
    message: 'The lock "stop" is created, but this is not in the audit log: ' +
      "The limit audit.spool_limit_mib is reached",
  });
  assert.equal(cluster.view.standing("example", "").kind, "locked");
});

async function addInstance({ store }: Cluster, bot: string, instance: string): Promise<void> {
  const time = "2026-11-23T12:00:00.000Z";
  const item = { bot, instance, generation: 1, key: "k", joined: time, renewed: time };
  await store.update((tx) => tx.put("instance", `${bot}/${instance}`, item));
}

async function setUp(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "postern-admin-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const store = openSqliteStore({ directory, now: clock.now });
  context.cleanup(() => store.close());
  const cluster = await openCluster({ store, name: "example.test", clock, log: silentLog });
  const admin = createAdmin(cluster);
  return {
    admin,
    cluster,
    clock,
    create: (text: string, force = false) =>
      admin.createResources({ text, file: "roles.yaml", force }),
    events: async () =>
      (await admin.auditEvents({ limit: 1000 })).map(({ type, code }) => [type, code]),
  };
}
