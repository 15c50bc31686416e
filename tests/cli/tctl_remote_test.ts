// tctl from afar, through the real public port: what an identity's roles let it do, and no more.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tctl } from "../../cli/commands/tctl.ts";
import { guardedStore } from "../../identity/authority/admin/_guarded_store.ts";
import { offerPresetRoles } from "../../identity/authority/mod.ts";
import {
  formatIdentityFile,
  generateKeyPair,
  IdentityError,
  silentLog,
  systemClock,
} from "../../identity/mod.ts";
import type { Store } from "../../identity/storage/store.ts";
import { test, type TestContext } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

const role = (name: string, spec = "{}") =>
  `kind: role\nversion: v8\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const refused = (message: RegExp) => ({ code: "ACCESS_DENIED", message });

test("tctl -i does from afar what it does on the host, for a bot with the role editor", async (context) => {
  const { authority, bot, file } = await setUp(context);
  const run = await bot("admin", ["editor"]);
  const one = file("one.yaml", `${role("one")}---\n${role("two")}`);
  assert.equal(
    await run("create", one),
    'role "one" has been created\nrole "two" has been created\n',
  );
  await assert.rejects(run("create", one), { code: "ALREADY_EXISTS" });
  assert.equal(
    await run("create", "-f", one),
    'role "one" has been updated\nrole "two" has been updated\n',
  );
  assert.match(await run("get", "role/one"), /^ {2}name: one$/m);
  const added = await run("bots", "add", "robot", "--roles=one", "--format=json");
  const { token_id: token } = JSON.parse(added);
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.match(await run("bots", "ls"), /^robot +bot-robot +one$/m);
  assert.match(await run("tokens", "ls"), / robot +token +unused /);
  assert.match(await run("tokens", "rm", token), /has been deleted/);
  assert.match(await run("lock", "--bot=robot", "--message=wait"), /^Created a lock with name/);
  assert.match(await run("status"), /^Cluster +example\.test$/m);
  assert.match(await run("auth", "export", "--type=tls-host"), /^-----BEGIN CERTIFICATE-----/);
  assert.equal(await run("bots", "rm", "robot"), 'Bot "robot" deleted successfully.\n');
  assert.equal(await run("rm", "role/two"), 'role "two" has been deleted\n');
  // Who did it, and where from.
  const events = await authority.cluster.store.latestEvents(100);
  const created = events.map(({ event }) => event).filter((event) =>
    event["type"] === "role.created" && event["name"] === "one"
  );
  assert.equal(created.length, 1);
  assert.equal(created[0]!["user"], "bot-admin");
  assert.match(String(created[0]!["user_instance"]), /^[0-9a-f-]{32,36}$/);
  assert.match(String(created[0]!["addr.remote"]), /127\.0\.0\.1/);
});

test("tctl edit from afar refuses to overwrite what somebody else has changed meanwhile", async (context) => {
  const { authority, bot, file, root } = await setUp(context);
  await authority.addRole("shared", role("shared"));
  const [started, go] = [join(root, "started"), join(root, "go")];
  // An editor that waits until somebody else has been quicker, if it is told to.
  const editor = file(
    "editor.cjs",
    `const fs = require("node:fs"); const path = process.argv.at(-1);
     const text = fs.readFileSync(path, "utf8");
     fs.writeFileSync(${JSON.stringify(started)}, "");
     while (!fs.existsSync(${JSON.stringify(go)})) {
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
     }
     fs.writeFileSync(path, text.replace("spec: {}", "spec: {allow: {}}"));`,
  );
  const run = await bot("admin", ["editor"], { EDITOR: `node ${editor}` });
  const edited = assert.rejects(run("edit", "role/shared"), (error: IdentityError) => {
    const kept = /kept in (.*\/tctl-edit-[^/]+)\//.exec(error.hint ?? "")?.[1];
    assert.ok(kept, "no text is lost");
    rmSync(kept, { recursive: true });
    return error.code === "CONFLICT";
  });
  while (!existsSync(started)) await new Promise((resolve) => setTimeout(resolve, 5));
  const others = role("shared", "{deny: {}}");
  await authority.addRole("shared", others);
  writeFileSync(go, "");
  await edited;
  const stored = await authority.cluster.store.get<{ source: string }>("role", "shared");
  assert.equal(stored?.value.source, others);
  await authority.addRole("shared", role("shared"));
  assert.equal(await run("edit", "role/shared"), 'role "shared" has been updated\n');
});

for (
  const [name, roles, allowed, denied] of [
    ["auditor", ["auditor"], [["audit", "ls"], ["bots", "instances", "ls"]], [
      ["get", "roles"],
      ["bots", "ls"],
      ["tokens", "ls"],
      ["rm", "role/editor"],
      ["lock", "--role=editor"],
    ]],
    ["editor", ["editor"], [["get", "roles,bots,tokens,apps,locks"]], [
      ["audit", "ls"],
      ["audit", "verify"],
      ["sessions", "ls"],
    ]],
    ["access", ["access", "mcp-user"], [], [["status"], ["get", "roles"], ["audit", "ls"]]],
  ] as const
) {
  test(`a bot with the preset ${name} may do from afar what the preset says, and no more`, async (context) => {
    const { bot } = await setUp(context);
    const run = await bot("caller", roles);
    for (const args of allowed) await run(...args);
    for (const args of denied) {
      await assert.rejects(run(...args), refused(/^access denied: no role/), args.join(" "));
    }
  });
}

test("whoever may make bots and tokens can give what it has, and no more, without the right to update roles", async (context) => {
  const { authority, bot, file } = await setUp(context);
  const rules = "[{resources: [bot, token], verbs: [list, create, read, update]}]";
  await authority.addRole("maker", role("maker", `{allow: {rules: ${rules}}}`));
  await authority.addRole("plain", role("plain"));
  await authority.addBot("strong", ["editor"]);
  const run = await bot("maker", ["maker", "plain"]);
  const writer = "[{resources: ['*'], verbs: ['*']}]";
  await authority.addRole("writer", role("writer", `{allow: {rules: ${writer}}}`));
  const all = await bot("writer", ["writer"]);
  await run("bots", "add", "child", "--roles=plain");
  await run("bots", "update", "child", "--add-roles=maker");
  await run("tokens", "add", "--bot=child");
  const docs = (bot: string, roles: string, traits = "[]") =>
    `kind: bot\nversion: v1\nmetadata: {name: ${bot}}\nspec: {roles: ${roles}, traits: ${traits}}\n`;
  const token = "kind: token\nversion: v2\nmetadata: {name: a-long-token}\n" +
    "spec: {roles: [Bot], bot_name: strong}\n";
  // The secret of such a token is as good as the token.
  await all(
    "create",
    file(
      "keypair.yaml",
      "kind: token\nversion: v2\nmetadata: {name: strong-key}\n" +
        "spec: {roles: [Bot], bot_name: strong, join_method: bound_keypair, bound_keypair: {}}\n",
    ),
  );
  assert.doesNotMatch(await run("get", "tokens"), /registration_secret/);
  const give = /^Cannot give bot "[a-z]+" the (role "editor"|trait "mcp_tools"|trait "logins")/;
  for (
    const args of [
      ["bots", "add", "other", "--roles=editor"],
      ["bots", "update", "child", "--add-roles=editor"],
      ["bots", "update", "child", "--set-roles=editor"],
      ["bots", "update", "child", "--add-logins=root"],
      ["tokens", "add", "--bot=strong"],
      ["create", file("token.yaml", token)],
      ["get", "tokens", "--with-secrets"],
      ["get", "token/strong-key", "--with-secrets"],
      ["create", file("bot.yaml", docs("other", "[editor]"))],
      ["create", "-f", file("child.yaml", docs("child", "[plain, editor]"))],
      ["create", file("traits.yaml", docs("other", "[]", "[{name: mcp_tools, values: ['*']}]"))],
    ]
  ) {
    await assert.rejects(run(...args), refused(give), args.join(" "));
  }
  assert.deepEqual(
    (await authority.cluster.store.get<{ roles: string[] }>("bot", "child"))?.value.roles,
    [
      "plain",
      "maker",
    ],
  );
  // Whoever may update roles can make its own say anything: it is an administrator already.
  await all("bots", "add", "other", "--roles=editor");
  assert.match(await all("get", "token/strong-key", "--with-secrets"), /registration_secret: /);
});

test("a right is gone with the role, with a deny and with a lock: at once, and it is recorded", async (context) => {
  const { authority, bot } = await setUp(context);
  const { store } = authority.cluster;
  await authority.addRole(
    "no",
    role("no", "{deny: {rules: [{resources: [role], verbs: [list]}]}}"),
  );
  const run = await bot("admin", ["editor", "no"]);
  await assert.rejects(
    run("get", "roles"),
    refused(/the role "no" denies to list resources of kind "role"/),
  );
  await authority.addRole("no", role("no"));
  await run("get", "roles");
  await store.update((tx) => tx.put("bot", "admin", { roles: ["no"], traits: {} }));
  await assert.rejects(run("get", "roles"), refused(/no role of this identity has `rules`/));
  await store.update((tx) => tx.put("bot", "admin", { roles: ["editor", "no"], traits: {} }));
  const lock = { target: { role: "editor" }, message: "", created: new Date().toISOString() };
  await store.update((tx) => tx.put("lock", "l", lock));
  await assert.rejects(run("get", "roles"), { code: "LOCKED" });
  assert.ok((await authority.auditTypes()).includes("auth T3007W"));
});

test("tctl says what is missing or too much to administer from afar", async (context) => {
  const { plain, file } = await setUp(context);
  for (
    const [args, message] of [
      [["--auth-server", "localhost:1", "status"], /no identity is given/],
      [["-i", "somewhere", "status"], /no cluster is given/],
      [
        ["-i", "x", "--proxy", "a:1", "--auth-server", "b:1", "status"],
        /--auth-server and --proxy differ/,
      ],
      [
        ["-i", "x", "--proxy", "a:1", "--data-dir", "/d", "status"],
        /--data-dir is for the cluster of this host/,
      ],
      [
        ["-i", "x", "--proxy", "a:1", "-c", "/d", "status"],
        /--config is for the cluster of this host/,
      ],
    ] as const
  ) {
    await assert.rejects(plain(...args), { code: "BAD_REQUEST", message });
  }
  const missing = file("not-here", "") + ".no";
  await assert.rejects(plain("-i", missing, "--proxy", "localhost:1", "status"), {
    code: "IDENTITY_FILE_MISSING",
  });
});

for (
  const [what, change, message] of [
    [
      "a bot that has more by now",
      ["child", ["editor"]],
      /Cannot give bot "child" the role "editor"/,
    ],
    ["somebody who has less by now", ["maker", ["plain"]], /no role of this identity/],
  ] as const
) {
  test(`what was allowed when it was asked is not written for ${what}`, async (context) => {
    const { authority, bot } = await setUp(context);
    const rules = "[{resources: [token], verbs: [create]}]";
    await authority.addRole("maker", role("maker", `{allow: {rules: ${rules}}}`));
    await authority.addRole("plain", role("plain"));
    await authority.addBot("child", ["plain"]);
    const run = await bot("maker", ["maker", "plain"]);
    await run("tokens", "add", "--bot=child");
    const { cluster } = authority;
    const { store } = cluster;
    const tokens = () => store.list("token").then(({ length }) => length);
    const before = await tokens();
    // Another one is quicker, after the question and before the answer.
    const [name, roles] = change;
    let others: Promise<void> | undefined;
    const update: Store["update"] = async (work, options) => {
      others ??= store.update((tx) => tx.put("bot", name, { roles, traits: {} }));
      await others;
      return await store.update(work, options);
    };
    Object.assign(cluster, { store: { ...guardedStore(store, () => Promise.resolve()), update } });
    await assert.rejects(run("tokens", "add", "--bot=child"), { code: "ACCESS_DENIED", message });
    assert.ok(others, "it was asked for");
    assert.equal(await tokens(), before);
  });
}

async function setUp(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-remote-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const authority = await realAuthority(context);
  await offerPresetRoles(authority.cluster);
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  const runWith = (env: Record<string, string> = {}) => async (...args: string[]) => {
    let printed = "";
    await tctl({
      env,
      stdin: (async function* () {})(),
      stdout: { write: (text) => printed += text },
      stderr: { write: () => {} },
      signal: context.signal,
      clock: systemClock,
      openLog: () => silentLog,
      version: "1.2.3",
    }).parseAsync(args, { from: "user" });
    return printed;
  };
  return {
    authority,
    root,
    file,
    plain: runWith(),
    /** A bot with roles, and tctl with its identity file. */
    async bot(name: string, roles: readonly string[], env?: Record<string, string>) {
      await authority.addBot(name, roles);
      const { publicKey, privateKey: key } = generateKeyPair();
      const request = { publicKey, ttl: 3600, reissue: false };
      const { tls, ssh, trust } = await authority.connect(await authority.join(name))
        .issueIdentity(request);
      const identity = file(
        `${name}.identity`,
        formatIdentityFile({
          key,
          sshCertificate: ssh,
          tlsCertificate: tls,
          sshCas: trust.sshHostCas.map((ca) => `@cert-authority * ${ca}`),
          tlsCas: trust.hostCas,
        }),
      );
      const run = runWith(env);
      return (...args: string[]) => run("-i", identity, "--auth-server", authority.proxy, ...args);
    },
  };
}
