import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { formatter } from "../../cli/commands/_tctl_root.ts";
import { tctl } from "../../cli/commands/tctl.ts";
import { createAdmin, serveAdmin } from "../../identity/authority/admin/mod.ts";
import { openCluster } from "../../identity/authority/mod.ts";
import { type EventDraft, silentLog } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const ROLE = `kind: role
version: v6
metadata:
  name: example-role
spec:
  allow:
    app_labels:
      env: dev
    mcp:
      tools:
        - '*'
`;

for (const mode of ["the running authority", "the store"] as const) {
  test(`the guide's lines work through ${mode}`, async (context) => {
    const host = await setUp(context);
    const stop = mode === "the store" ? undefined : await host.serve();
    const role = host.file("role.yaml", ROLE);
    assert.equal(
      await host.run("create", "-f", role),
      'role "example-role" has been created\n',
    );
    assert.equal(
      await host.run("create", "-f", role),
      'role "example-role" has been updated\n',
    );
    const added = await host.run("bots", "add", "example");
    const token = /^The bot token: ([0-9a-f]{32})$/m.exec(added)?.[1];
    assert.ok(token);
    assert.match(added, /^This token will expire in 60 minutes\.$/m);
    assert.match(added, /^ {3}--ca-pin=sha256:[0-9a-f]{64} \\$/m);
    assert.ok(added.includes(`   --token=${token} \\\n`));
    assert.match(added, /single-use/);
    assert.equal(
      await host.run("bots", "update", "example", "--add-roles", "example-role"),
      'Bot "example" has been updated, roles: example-role\n' +
        "What it lost is lost now; what it gained comes when tbot renews its certificates.\n",
    );
    assert.equal(
      await host.run("bots", "ls"),
      `Bot     User        Roles
------- ----------- ------------
example bot-example example-role
`,
    );
    await stop?.();
  });
}

test("`tctl create` reads stdin, any number of resources, and says what there is to mend", async (context) => {
  const host = await setUp(context);
  const other = ROLE.replace("example-role", "other");
  host.stdin = `${ROLE}---\n${other}`;
  assert.equal(
    await host.run("create"),
    'role "example-role" has been created\nrole "other" has been created\n',
  );
  await assert.rejects(host.run("create"), {
    code: "ALREADY_EXISTS",
    message: 'role "example-role" already exists',
    hint: "use -f or --force flag to overwrite",
  });
  host.stdin = "";
  await assert.rejects(host.run("create"), { message: "no resources found, empty input?" });
  host.stdin = "kind: user\n";
  await assert.rejects(host.run("create"), {
    message: /\(stdin\):1:7: creating resources of type "user" is not supported/,
  });
  await assert.rejects(host.run("create", "/nowhere/role.yaml"), {
    code: "BAD_REQUEST",
    message: "Cannot read /nowhere/role.yaml: ENOENT",
  });
  const bad = host.file("bad.yaml", ROLE.replace("tools:", "tool:"));
  await assert.rejects(host.run("create", "-f", bad), (error: Error) => {
    assert.ok(error.message.includes(`${bad}:10:7: `), error.message);
    return true;
  });
});

test("`tctl get` prints what `tctl create -f` takes", async (context) => {
  const host = await setUp(context);
  host.stdin = ROLE;
  await host.run("create");
  await host.run("bots", "add", "example", "--roles=example-role", "--logins=a,b", "--ttl=2m");
  const role = await host.run("get", "role/example-role");
  assert.equal(
    role.replace(/^ {2}revision: "\d+"\n/m, ""),
    ROLE.replace("'*'", '"*"'),
  );
  assert.match(role, /^ {2}revision: "\d+"$/m);
  const all = await host.run("get", "roles,bot/example");
  assert.match(all, /---\nkind: bot\n/);
  host.stdin = all;
  assert.equal(
    await host.run("create", "-f"),
    'role "example-role" has been updated\nbot "example" has been updated\n',
  );
  const [bot] = JSON.parse(await host.run("get", "bots", "--format=json"));
  assert.deepEqual(bot.spec, {
    roles: ["example-role"],
    traits: [{ name: "logins", values: ["a", "b"] }],
  });
  assert.equal(
    await host.run("get", "bots,roles", "--format=text"),
    `Kind Name         Description
---- ------------ -------------------
bot  example      roles: example-role
role example-role
`,
  );
  const tokens = await host.run("get", "tokens", "--with-secrets");
  assert.match(tokens, /name: "?[0-9a-f]{64}/);
  assert.match(host.warned(), /stored as hashes/);
  await assert.rejects(host.run("get", "role/nobody"), { code: "NOT_FOUND" });
  await assert.rejects(host.run("get", "users"), {
    message: 'resources of type "users" are not supported',
  });
  await assert.rejects(host.run("get", "constructor"), { code: "BAD_REQUEST" });
});

test("`tctl rm` removes one resource and names it in the original's words", async (context) => {
  const host = await setUp(context);
  host.stdin = `${ROLE}---
kind: app
version: v3
metadata: {name: everything}
spec: {mcp: {command: npx, run_as_host_user: nobody}}
---
kind: lock
version: v2
metadata: {name: stop}
spec: {target: {user: bot-example}}
`;
  await host.run("create");
  await host.run("bots", "add", "example", "--roles=example-role");
  await assert.rejects(host.run("rm", "role/example-role"), { code: "CONFLICT" });
  const removed = ["bot/example", "role/example-role", "app/everything", "lock/stop"];
  const said: string[] = [];
  for (const ref of removed) said.push(await host.run("rm", ref));
  assert.deepEqual(said, [
    'Bot "example" has been deleted\n',
    'role "example-role" has been deleted\n',
    'application "everything" has been deleted\n',
    'lock "stop" has been deleted\n',
  ]);
  await assert.rejects(host.run("rm", "user/alice"), {
    message: 'deleting resources of type "user" is not supported',
  });
  await assert.rejects(host.run("rm", "role"), { code: "BAD_REQUEST", message: /has no name/ });
});

test("`tctl bots instances add` makes a token for one more machine, and says how to use it", async (context) => {
  const host = await setUp(context);
  await host.run("bots", "add", "example");
  const text = await host.run("bots", "instances", "add", "example", "--ttl=5m");
  const [, token] = /^The bot token: ([0-9a-f]{32})\nThis token will expire in 5 minutes\.$/m
    .exec(text) ?? [];
  assert.match(text, new RegExp(`^   --token=${token} `, "m"));
  const { token_id, ...rest } = JSON.parse(
    await host.run("bots", "instances", "add", "example", "--format=json"),
  );
  assert.notEqual(token_id, token);
  assert.deepEqual({ ...rest, ca_pins: [] }, {
    bot_name: "example",
    token_ttl: 1_800_000_000_000,
    expires: "2026-11-23T12:30:00.000Z",
    ca_pins: [],
  });
  assert.match(await host.run("tokens", "ls"), new RegExp("example +token +unused"));
  await assert.rejects(host.run("bots", "instances", "add", "nobody"), { code: "NOT_FOUND" });
});

test("a lock may be given its end instead of its time", async (context) => {
  const host = await setUp(context);
  await host.run("bots", "add", "example");
  const until = "2026-11-23T13:00:00.000Z";
  assert.match(
    await host.run("lock", "--bot=example", "--expires=2026-11-23T14:00:00+01:00"),
    new RegExp(`until ${until}$`, "m"),
  );
  assert.match(
    await host.run("bots", "lock", "example", `--expires=${until}`),
    /until 2026-11-23T13/,
  );
  for (
    const [args, message] of [
      [["--expires=tomorrow"], /that is no time/],
      [["--expires=2026-11-23T11:59:59Z"], /that has passed/],
      [[`--expires=${until}`, "--ttl=1h"], /--ttl says something else/],
    ] as const
  ) {
    await assert.rejects(host.run("lock", "--bot=example", ...args), {
      code: "BAD_REQUEST",
      message,
    });
  }
});

test("`tctl bots` prints for programs what scripts of the original read", async (context) => {
  const host = await setUp(context);
  const added = JSON.parse(await host.run("bots", "add", "example", "--format=json", "--ttl=30m"));
  assert.match(added.token_id, /^[0-9a-f]{32}$/);
  assert.match(added.ca_pins[0], /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual({ ...added, token_id: "", ca_pins: [] }, {
    user_name: "bot-example",
    role_name: "bot-example",
    token_id: "",
    token_ttl: 1_800_000_000_000,
    bot_name: "example",
    roles: [],
    expires: "2026-11-23T12:30:00.000Z",
    ca_pins: [],
  });
  assert.equal(await host.run("bots", "update", "example"), "No changes requested\n");
  assert.equal(
    await host.run("bots", "update", "example", "--set-roles="),
    'Bot "example" is like that already\n',
  );
  await host.run("bots", "update", "example", "--add-logins=a", "--set-max-session-ttl=2h");
  assert.deepEqual(JSON.parse(await host.run("bots", "ls", "--format=json")), [{
    name: "example",
    roles: [],
    traits: { logins: ["a"] },
    maxSessionTtl: 7200,
    locked: false,
  }]);
  assert.equal(await host.run("bots", "instances", "ls"), "No bot instances found\n");
  assert.equal(await host.run("bots", "rm", "example"), 'Bot "example" deleted successfully.\n');
  assert.equal(await host.run("bots", "ls"), "No bots found\n");
});

test("`tctl tokens` makes, lists and removes tokens, and lists no secret", async (context) => {
  const host = await setUp(context);
  assert.equal(await host.run("tokens", "ls"), "No tokens found\n");
  await host.run("bots", "add", "example");
  const made = await host.run("tokens", "add", "--type=bot", "--bot=example", "--ttl=1m");
  const token = /^The bot token: (\S+)\nThis token will expire in 1 minute\.\n/.exec(made)?.[1];
  assert.ok(token);
  host.clock.advance(60_000);
  const listed = await host.run("tokens", "ls");
  assert.match(listed, /^[0-9a-f]{16} example token {2}expired 2026-11-23T12:01:00.000Z$/m);
  assert.match(listed, /^[0-9a-f]{16} example token {2}unused {2}2026-11-23T13:00:00.000Z$/m);
  assert.ok(!listed.includes(token));
  assert.match(await host.run("tokens", "rm", token), /^Token [0-9a-f]{16} has been deleted\n$/);
  assert.equal(JSON.parse(await host.run("tokens", "ls", "--format=json")).length, 1);
});

test("`tctl lock` keeps a bot out until the lock ends or is removed", async (context) => {
  const host = await setUp(context);
  await host.run("bots", "add", "example");
  const locked = await host.run("lock", "--bot=example", "--ttl=10m", "--message=moved");
  const name = /^Created a lock with name "([^"]+)", until 2026-11-23T12:10:00.000Z\n/
    .exec(locked)?.[1];
  assert.match(await host.run("bots", "ls"), /example +bot-example +locked/);
  assert.match(await host.run("get", `lock/${name}`), /user: bot-example\n {2}message: moved\n/);
  await host.run("rm", `lock/${name}`);
  assert.doesNotMatch(await host.run("bots", "ls"), /locked/);
  await host.run("bots", "lock", "example");
  assert.match(await host.run("bots", "ls"), /locked/);
  await assert.rejects(host.run("lock"), { code: "BAD_REQUEST" });
  await assert.rejects(host.run("lock", "--instance=nowhere"), { code: "NOT_FOUND" });
});

test("`tctl status` shows the cluster, its CAs and the pin", async (context) => {
  const host = await setUp(context);
  assert.match(
    await host.run("status"),
    new RegExp(`^Cluster  example\\.test
Version  \\d+\\.\\d+\\.\\d+
host CA  never rotated, valid until 2036-11-23
user CA  never rotated, valid until 2036-11-23
CA pin   sha256:[0-9a-f]{64}
$`),
  );
  assert.equal(JSON.parse(await host.run("status", "--format=json")).cluster, "example.test");
});

test("`tctl audit ls` shows what happened, and nothing in it moves the cursor", async (context) => {
  const host = await setUp(context);
  await host.run("bots", "add", "example");
  await host.record({
    type: "mcp.session.request",
    code: "TMCP003E",
    user: "bot-example",
    app_name: "everything",
    tool: "echo\x1b[2J\u202e",
    message: { jsonrpc: "2.0", method: "tools/call", id: 1 },
    status: { success: false, error: "access to app denied\nok" },
  });
  await host.record({ type: "bot.join", code: "TJ001E", success: false, error: "unknown token" });
  const lines = (await host.run("audit", "ls")).split("\n").slice(2);
  assert.deepEqual(lines.map((line) => line.replace(/ {2,}/g, " ").trim()), [
    "2026-11-23T12:00:00.000Z TB001I bot.create local-admin example ok",
    lines[1]?.replace(/ {2,}/g, " ").trim(),
    "2026-11-23T12:00:00.000Z TMCP003E mcp.session.request bot-example everything tools/call " +
    "echo\\x1b[2J\\u202e failed: access to app denied\\x0aok",
    "2026-11-23T12:00:00.000Z TJ001E bot.join failed: unknown token",
    "",
  ]);
  assert.match(lines[1] ?? "", /TJT00I +join_token\.create +local-admin +[0-9a-f]{16} +ok/);
  const json = await host.run("audit", "ls", "--format=json", "--limit=2");
  assert.ok(!json.includes("\u202e"));
  assert.equal(JSON.parse(json)[0].tool, "echo\x1b[2J\u202e");
  assert.equal(JSON.parse(json).length, 2);
  assert.equal(JSON.parse(json)[1].event, "bot.join", "rules for the original's log find it");
});

test("tctl finds the data directory through `-c teleport.yaml`", async (context) => {
  const host = await setUp(context);
  const config = host.file("teleport.yaml", `teleport: {data_dir: ${host.dataDir}}\n`);
  assert.match(await host.runBare(["-c", config, "status"]), /example\.test/);
  assert.match(await host.runBare(["status", "-c", config]), /example\.test/);
  const nowhere = host.file("other.yaml", `teleport: {data_dir: ${host.dataDir}/none}\n`);
  await assert.rejects(host.runBare(["-c", nowhere, "status"]), {
    code: "NOT_FOUND",
    message: `There is no cluster in ${host.dataDir}/none`,
  });
});

const wrong: Record<string, [string[], string]> = {
  "an unknown command": [["user"], "commander.unknownCommand"],
  "an unknown option": [["bots", "add", "x", "--rols=a"], "commander.unknownOption"],
  "a duration that is none": [["bots", "add", "x", "--ttl=1d"], "commander.invalidArgument"],
  "a lifetime below a second": [["lock", "--bot=x", "--ttl=1ms"], "commander.invalidArgument"],
  "a format that there is not": [["bots", "ls", "--format=xml"], "commander.invalidArgument"],
  "a limit that is no number": [["audit", "ls", "--limit=1e9"], "commander.invalidArgument"],
  "a token for no bot": [["tokens", "add"], "commander.invalidArgument"],
  "a token for a bot and a host": [
    ["tokens", "add", "--type=bot,app", "--bot=x"],
    "commander.invalidArgument",
  ],
  "a token for nobody that there is": [
    ["tokens", "add", "--type=kube"],
    "commander.invalidArgument",
  ],
  "no name of a bot": [["bots", "add"], "commander.missingArgument"],
  "an argument too many": [["rm", "role/a", "role/b"], "commander.excessArguments"],
};
for (const [what, [args, code]] of Object.entries(wrong)) {
  test(`tctl refuses ${what}`, async (context) => {
    const host = await setUp(context);
    await assert.rejects(host.run(...args), { code });
    assert.match(host.warned(), /^error: /);
  });
}

async function setUp(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-tctl-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const dataDir = join(root, "data");
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const open = async () => {
    const store = openSqliteStore({ directory: dataDir, now: clock.now });
    const name = "example.test";
    return { store, cluster: await openCluster({ store, name, clock, log: silentLog }) };
  };
  await (await open()).store.close();
  let printed = "";
  let warned = "";
  const host = {
    dataDir,
    clock,
    stdin: "",
    warned: () => warned,
    file(name: string, text: string): string {
      writeFileSync(join(root, name), text);
      return join(root, name);
    },
    async serve(): Promise<() => Promise<void>> {
      const { store, cluster } = await open();
      const server = await serveAdmin(createAdmin(cluster), dataDir);
      return async () => {
        await server.close();
        await store.close();
      };
    },
    async record(event: EventDraft): Promise<void> {
      const { store, cluster } = await open();
      await cluster.audit.append(event);
      await store.close();
    },
    run: (...args: string[]) => host.runBare(["--data-dir", dataDir, ...args]),
    async runBare(args: string[]): Promise<string> {
      printed = "";
      warned = "";
      async function* stdin() {
        yield new TextEncoder().encode(host.stdin);
      }
      await tctl({
        env: {},
        stdin: stdin(),
        stdout: { write: (text) => printed += text },
        stderr: { write: (text) => warned += text },
        signal: context.signal,
        clock,
        openLog: () => silentLog,
        version: "1.2.3",
      }).parseAsync(args, { from: "user" });
      return printed;
    },
  };
  return host;
}

test("`tctl auth rotate` goes through the phases, as `tctl status` shows", async (context) => {
  const host = await setUp(context);
  const rotate = (...args: string[]) => host.run("auth", "rotate", ...args);
  for (const args of [[], ["--type=db"], ["--type=jwt"], ["--type=nothing"]]) {
    await assert.rejects(rotate(...args), { code: "BAD_REQUEST", message: /^Cannot rotate a/ });
  }
  await assert.rejects(rotate("--type=host", "--manual"), { code: "BAD_REQUEST" });
  await assert.rejects(rotate("--type=host", "--phase=update_clients"), { hint: /--manual/ });
  await assert.rejects(rotate("--type=host", "--manual", "--phase=standby"), {
    code: "BAD_REQUEST",
    message: /^Cannot take the host CA to phase standby: it is in standby/,
  });
  const row = async (type: string) =>
    (await host.run("status")).split("\n").find((line) => line.startsWith(`${type} CA`));
  const date = "[A-Z][a-z]{2} [ 1-3]\\d \\d\\d:\\d\\d:\\d\\d UTC";
  const words = {
    init: "initialized",
    update_clients: "rotating clients",
    update_servers: "rotating servers",
    rollback: "rolling back",
  };
  for (const [phase, text] of Object.entries(words)) {
    assert.equal(
      await rotate("--type=host", "--manual", `--phase=${phase}`),
      `Updated rotation phase to "${phase}". To check status use 'tctl status'\n`,
    );
    const line = `^host CA  ${text} \\(mode: manual, started: ${date}, ending: ${date}\\), valid`;
    assert.match(await row("host") ?? "", new RegExp(line));
    assert.match(await row("user") ?? "", /never rotated/);
    assert.equal((await host.run("status")).match(/sha256:/g)?.length, 2);
    assert.equal((await host.run("auth", "export", "--type=tls-host")).match(/BEGIN/g)?.length, 2);
    assert.equal((await host.run("auth", "export", "--type=host")).split("\n").length, 3);
  }
  await rotate("--type=host", "--manual", "--phase=standby");
  assert.match(await row("host") ?? "", /never rotated/);
  assert.equal(
    await rotate("--type=user", "--grace-period=3h"),
    "Initiated certificate authority rotation. To check status use 'tctl status'\n",
  );
  assert.match(await row("user") ?? "", /initialized \(mode: auto, /);
  for (const phase of ["update_clients", "update_servers", "standby"]) {
    await rotate("--type=user", "--manual", `--phase=${phase}`);
  }
  assert.match(await row("user") ?? "", new RegExp(`^user CA  rotated ${date}, valid until `));
});

test("`tctl auth export` prints the public side of each CA, and nothing secret", async (context) => {
  const host = await setUp(context);
  const run = (...args: string[]) => host.run("auth", "export", ...args);
  for (const type of ["tls-host", "tls-user"]) {
    const { subject, ca } = new X509Certificate(await run(`--type=${type}`));
    assert.ok(ca, subject);
  }
  assert.match(
    await run("--type=host"),
    /^@cert-authority example\.test,\*\.example.test ecdsa-\S+ \S+ type=host\n$/,
  );
  assert.match(
    await run("--type=user"),
    /^cert-authority ecdsa-\S+ \S+ clustername=example\.test&type=user\n$/,
  );
  assert.equal(await run(), await run("--type=host") + await run("--type=user"));
  assert.doesNotMatch(await run("--type=tls-host"), /PRIVATE/);
});

test("lists are printed for people, as JSON and as YAML, and say the same", async (context) => {
  const host = await setUp(context);
  await host.run("bots", "add", "example");
  for (const line of ["bots ls", "tokens ls", "bots instances ls", "audit ls", "status"]) {
    const print = (format: string) => host.run(...line.split(" "), `--format=${format}`);
    const json = JSON.parse(await print("json"));
    assert.deepEqual(parse(await print("yaml")), json, line);
    assert.notEqual(await print("text"), "", line);
  }
});

test("what YAML prints cannot disturb a terminal, and is read back as it was", async () => {
  const hostile = {
    "a b": ["\u001b[2J", "\u202e", "\u009b", "\u2028", "\u200b", "\u{e0041}", "yes", "1"],
  };
  const text = (await formatter("yaml"))(hostile);
  assert.doesNotMatch(text, /[^\n\x20-\x7e]/);
  assert.deepEqual(parse(text), hostile);
  const json = (await formatter("json"))(hostile);
  assert.doesNotMatch(json, /[^\n\x20-\x7e]/);
  assert.deepEqual(JSON.parse(json), hostile);
});

test("`tctl bots instances show` shows one machine, and names one that there is not", async (context) => {
  const host = await setUp(context);
  await assert.rejects(
    host.run("bots", "instances", "show", "example/0123"),
    /bot instance "example\/0123" does not exist/,
  );
});
