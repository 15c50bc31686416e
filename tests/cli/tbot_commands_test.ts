import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { tbot } from "../../cli/commands/tbot.ts";
import type { TbotHost } from "../../cli/commands/tbot.ts";
import { parseBotConfig } from "../../identity/bot/mod.ts";
import { caPin, IdentityError, parseIdentityFile } from "../../identity/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import { freePort } from "../support/cluster_process.ts";
import { FakeAuthority, refusal } from "../support/fake_authority.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

/** What sleeps while nothing is due: the bot, its output, and the watch over the CAs. */
const LOOPS = 3;

test("`tbot start identity` with the guide's options writes the identity", async (context) => {
  const bot = await setUp(context);
  await bot.run([
    "start",
    "identity",
    "--destination",
    join(bot.root, "machine-id"),
    "--proxy-server=demo.test:443",
    "--join-method=token",
    "--token=secret-token",
    `--ca-pin=${bot.pin}`,
    "--storage",
    join(bot.root, "bot"),
    "--credential-ttl=30m",
    "--renewal-interval=10m",
    "--allow-reissue",
    "--oneshot",
  ]);
  const { notAfter, claims } = bot.identity();
  assert.equal(notAfter.toISOString(), "2026-11-23T12:30:00.000Z");
  assert.ok(claims.kind === "identity" && claims.reissue);
  assert.equal(bot.output(), "");
});

test("`tbot start -c` reads the file, and options take the place of what it says", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "tbot.yaml");
  writeFileSync(
    file,
    `version: v2
proxy_server: demo.test:443
onboarding: {join_method: token, token: wrong}
storage: {type: directory, path: ${bot.root}/bot}
services:
- type: identity
  destination: {type: directory, path: ${bot.root}/machine-id}
`,
  );
  const args = ["start", "-c", file, "--oneshot", "--ca-pin", bot.pin];
  await assert.rejects(bot.run(args), { code: "JOIN_REFUSED" });
  await bot.run([...args, "--token", "secret-token"]);
  assert.equal(bot.identity().claims.kind, "identity");
});

test("token, proxy and path of the configuration come from the environment as well", async (context) => {
  const bot = await setUp(context, {
    TELEPORT_BOT_TOKEN: "secret-token",
    TELEPORT_PROXY: "demo.test:443",
  });
  const places = [`--destination=${bot.root}/machine-id`, `--storage=${bot.root}/bot`];
  await bot.run(["start", "id", ...places, "--ca-pin", bot.pin, "--oneshot"]);
  assert.equal(bot.identity().claims.kind, "identity");
});

test("the old form with --destination-dir and --data-dir still works", async (context) => {
  const bot = await setUp(context);
  await bot.run([
    "start",
    `--destination-dir=${bot.root}/machine-id`,
    `--data-dir=${bot.root}/bot`,
    "--proxy-server=demo.test:443",
    "--token=secret-token",
    `--ca-pin=${bot.pin}`,
    "--oneshot",
  ]);
  assert.equal(bot.identity().claims.kind, "identity");
  assert.ok(existsSync(join(bot.root, "bot", "identity")));
});

for (
  const [what, event, logs] of [
    ["a machine that wakes from sleep", "jump", undefined],
    ["a signal to reload", "SIGUSR1", "Received reload signal, queueing reload."],
  ] as const
) {
  test(`${what} renews at once`, async (context) => {
    const bot = await setUp(context);
    const controller = new AbortController();
    const running = bot.run([
      "start",
      "identity",
      `--destination=${bot.root}/machine-id`,
      `--storage=${bot.root}/bot`,
      "--proxy-server=demo.test:443",
      "--token=secret-token",
      `--ca-pin=${bot.pin}`,
    ], controller.signal);
    await bot.clock.asleep(LOOPS);
    const before = bot.authority.calls.length;
    bot.send(event);
    await bot.clock.asleep(LOOPS);
    assert.equal(bot.authority.calls.length, before + 2);
    assert.ok(logs === undefined || bot.log.includes(logs));
    controller.abort();
    await running;
    assert.equal(bot.listeners(), 0);
  });
}

test("SIGHUP reads the file again; --pid-file names who is to get it, as long as it runs", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "tbot.yaml");
  const pidFile = join(bot.root, "tbot.pid");
  const write = (...outputs: string[]) =>
    writeFileSync(
      file,
      `version: v2
proxy_server: demo.test:443
onboarding: {join_method: token, token: secret-token, ca_pins: ["${bot.pin}"]}
storage: {type: directory, path: ${bot.root}/bot}
services:
` + outputs.map((it) =>
        `- {type: identity, destination: {type: directory, path: ${bot.root}/${it}}}\n`
      )
        .join(""),
    );
  write("machine-id");
  const elsewhere = join(bot.root, "elsewhere");
  writeFileSync(elsewhere, "untouched");
  symlinkSync(elsewhere, pidFile);
  const controller = new AbortController();
  const args = ["start", "-c", file, "--pid-file", pidFile];
  const running = bot.run(args, controller.signal);
  await bot.clock.asleep(LOOPS);
  assert.equal(readFileSync(pidFile, "utf8"), `${process.pid}\n`);
  assert.equal(readFileSync(elsewhere, "utf8"), "untouched");
  write("machine-id", "second");
  bot.send("SIGHUP");
  await bot.clock.asleep(LOOPS + 1);
  assert.ok(existsSync(join(bot.root, "second", "identity")));
  // Whoever may not have the storage leaves the file to the one who has it.
  await assert.rejects(bot.run(args), { code: "DATA_DIR_IN_USE" });
  assert.equal(readFileSync(pidFile, "utf8"), `${process.pid}\n`);
  controller.abort();
  await running;
  assert.equal(existsSync(pidFile), false);
  await assert.rejects(bot.run([...args.slice(0, -1), join(bot.root, "none", "pid")]), {
    code: "DESTINATION_UNWRITABLE",
  });
});

test("`tbot configure identity` prints a file that means what its options mean", async (context) => {
  const bot = await setUp(context);
  const options = [
    "--destination=/opt/machine-id",
    "--proxy-server=demo.test:443",
    "--token=abcd",
    `--ca-pin=${bot.pin}`,
    "--allow-reissue",
    "--certificate-ttl=2h",
    "--renewal-interval=30m",
    "--reader-user=alice",
    "--reader-group=mcp",
  ];
  await bot.run(["configure", "identity", ...options]);
  assert.equal(
    bot.output(),
    `version: v2
proxy_server: demo.test:443
credential_ttl: 2h
renewal_interval: 30m
onboarding:
  join_method: token
  token: abcd
  ca_pins:
    - ${bot.pin}
storage:
  type: directory
  path: /var/lib/teleport/bot
services:
  - type: identity
    destination:
      type: directory
      path: /opt/machine-id
      readers:
        - user: alice
        - group: mcp
    allow_reissue: true
`,
  );
  const shown = bot.output();
  assert.deepEqual(parseBotConfig(shown, "tbot.yaml").warnings, []);
  const file = join(bot.root, "tbot.yaml");
  await bot.run(["configure", "identity", ...options, "-o", file]);
  assert.equal(readFileSync(file, "utf8"), shown);
  assert.equal(bot.output(), "");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await assert.rejects(bot.run(["configure", "identity", ...options, "-o", file]), {
    code: "CONFIG_INVALID",
    message: `Cannot write the configuration ${file}: EEXIST`,
  });
});

test("`tbot configure` describes an application and a tunnel as well", async (context) => {
  const bot = await setUp(context);
  const common = ["--proxy-server=demo.test:443", "--storage=memory://", "--app=files"];
  await bot.run([
    "configure",
    "application",
    ...common,
    "--destination=/opt/files",
    "--specific-tls-extensions",
  ]);
  const before = `version: v2
proxy_server: demo.test:443
onboarding: {}
storage:
  type: memory
services:
`;
  assert.equal(
    bot.output(),
    `${before}  - type: application
    app_name: files
    destination:
      type: directory
      path: /opt/files
    specific_tls_naming: true
`,
  );
  const listen = "--listen=tcp://0.0.0.0:8080";
  await assert.rejects(bot.run(["configure", "application-tunnel", ...common, listen]), {
    message: /whoever reaches 0\.0\.0\.0 acts as the bot/,
  });
  const told = ["--allowed-host=mcp.internal", "--name=front"];
  await bot.run(["configure", "app-tunnel", ...common, listen, ...told]);
  assert.equal(
    bot.output(),
    `${before}  - type: application-tunnel
    name: front
    app_name: files
    listen: tcp://0.0.0.0:8080
    allowed_hosts:
      - mcp.internal
`,
  );
});

test("`tbot start application-tunnel` listens as long as it runs", async (context) => {
  const bot = await setUp(context);
  const controller = new AbortController();
  const port = await freePort();
  const running = bot.run([
    "start",
    "application-tunnel",
    "--app=files",
    `--listen=tcp://127.0.0.1:${port}`,
    `--storage=${bot.root}/bot`,
    "--proxy-server=demo.test:443",
    "--token=secret-token",
    `--ca-pin=${bot.pin}`,
  ], controller.signal);
  // The two loops, and the tunnel that looks after its sessions.
  await bot.clock.asleep(3);
  const url = `http://127.0.0.1:${port}/mcp`;
  const status = async (headers: Record<string, string>) => {
    const answer = await fetch(url, { headers });
    await answer.text();
    return answer.status;
  };
  assert.equal(await status({ origin: "https://evil.example" }), 403);
  assert.equal(await status({ accept: "text/event-stream" }), 400);
  controller.abort();
  await running;
  await assert.rejects(fetch(url));
});

test("`tbot init` makes the directories of the configuration ready, and clears them when told", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "tbot.yaml");
  const output = join(bot.root, "machine-id");
  writeFileSync(
    file,
    `version: v2
proxy_server: demo.test:443
services:
- type: identity
  destination: {type: directory, path: ${output}}
- type: application-tunnel
  app_name: files
  listen: tcp://127.0.0.1:8080
`,
  );
  const owner = execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
  await bot.run(["init", "-c", file, "--bot-user", owner]);
  assert.equal(bot.output(), `made ${output}\ngave ${output} to ${owner}\n`);
  assert.equal(statSync(output).mode & 0o777, 0o700);
  writeFileSync(join(output, "key"), "a key");
  writeFileSync(join(output, "stray"), "a stray file");
  await bot.run(["init", "-c", file]);
  assert.equal(bot.output(), `${output} was ready\n`);
  await bot.run(["init", "--destination-dir", output, "--clean"]);
  assert.equal(bot.output(), `removed ${join(output, "stray")}\n`);
  assert.equal(readFileSync(join(output, "key"), "utf8"), "a key");
  await assert.rejects(bot.run(["init", "-c", file, "--init-dir=/elsewhere"]), {
    code: "CONFIG_INVALID",
    message: /no service of .* writes to it/,
  });
  await assert.rejects(bot.run(["init", "-c", file, "--owner=nobody-of-this-name"]), {
    code: "CONFIG_INVALID",
    message: /there is no user "nobody-of-this-name"/,
  });
});

test(
  "`tbot init` gives away what stands in the directory, and nothing that is linked into it",
  async (context) => {
    const bot = await setUp(context);
    const output = join(bot.root, "machine-id");
    mkdirSync(output);
    const elsewhere = join(bot.root, "elsewhere");
    writeFileSync(elsewhere, "root's");
    writeFileSync(join(output, "key"), "a key");
    linkSync(elsewhere, join(output, "hard"));
    symlinkSync(elsewhere, join(output, "soft"));
    await bot.run(["init", "--destination-dir", output, "--owner=nobody"]);
    const owners = [output, join(output, "key"), elsewhere].map((path) => statSync(path).uid);
    const nobody = Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }));
    assert.deepEqual(owners, [nobody, nobody, 0]);
  },
  { skip: process.getuid?.() === 0 ? false : "only root can give files away" },
);

test("`tbot drill` tells how long each trouble took to be noticed, and needs two tokens", async (context) => {
  const bot = await setUp(context);
  const { connect } = bot.authority;
  bot.authority.connect = (options) =>
    options.proxy === "demo.test:443" ? connect(options) : {
      ...connect(options),
      renew: () => Promise.reject(refusal("API_UNREACHABLE", "nothing listens there")),
    };
  bot.authority.addToken("second-token");
  const line = ["drill", "--proxy-server=demo.test:443", `--ca-pin=${bot.pin}`];
  await assert.rejects(bot.run([...line, "--token=secret-token"]), { code: "CONFIG_INVALID" });
  assert.deepEqual(bot.authority.calls, []);
  await bot.run([...line, "--token=secret-token", "--token=second-token", "--renewal-interval=5m"]);
  assert.match(
    bot.output(),
    new RegExp(
      "^outage: noticed after \\d+ ms \\(API_UNREACHABLE\\), over \\d+ ms after .*\\n" +
        "theft: noticed \\d+ ms after the owner's next renewal \\(LOCKED\\), which comes within 5m;.*\\n" +
        "rollback: noticed \\d+ ms after the restored storage was used \\(LOCKED\\);.*\\n" +
        "The two machines of this drill are locked now",
    ),
  );
});

test("`tbot migrate` writes version 2, and refuses what it could not start with", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "old.yaml");
  const output = join(bot.root, "new.yaml");
  writeFileSync(file, "auth_server: demo.test:443\ndestinations:\n- directory: /opt/machine-id\n");
  await bot.run(["migrate", "-c", file, "-o", output]);
  assert.match(bot.warned(), /^warning: `auth_server` has become/);
  assert.equal(parseBotConfig(readFileSync(output, "utf8"), output).config.services.length, 1);
  writeFileSync(file, "onboarding: {token: x, join_method: iam}\n");
  await assert.rejects(bot.run(["migrate", "-c", file]), { code: "CONFIG_INVALID" });
});

test("`tbot version` prints the version", async (context) => {
  const bot = await setUp(context);
  await bot.run(["version"]);
  assert.equal(bot.output(), "Postern v1.2.3\n");
});

test("`tbot check` tells every problem of a file with its place, and starts nothing", async (context) => {
  const bot = await setUp(context);
  const file = join(bot.root, "tbot.yaml");
  const good = `version: v2
proxy_server: demo.test:443
credential_ttl: 10m
services:
- type: identity
  destination: {type: directory, path: ${bot.root}/machine-id}
`;
  writeFileSync(file, good);
  await bot.run(["check", "-c", file]);
  assert.equal(bot.output(), `${file}: ok, 1 service\n`);
  assert.match(bot.warned(), /^warning: .*certificates would run out\n$/);

  writeFileSync(
    file,
    good.replace("version: v2", "version: v9").replace("destination", "destinatoin"),
  );
  await assert.rejects(bot.run(["check", "-c", file]), (error) => {
    assert.ok(error instanceof IdentityError);
    assert.equal(error.code, "CHECK_FAILED");
    assert.match(error.message, /tbot\.yaml:1:10: unrecognized config version "v9"/);
    return true;
  });
  assert.deepEqual(bot.authority.calls, []);
  assert.ok(!existsSync(join(bot.root, "machine-id")));
});

test("`tbot start` serves its health, and `tbot wait` ends once it is ready", async (context) => {
  const bot = await setUp(context);
  const address = `127.0.0.1:${await freePort()}`;
  // Nothing listens yet, and the authority refuses for now: the wait has to outlast both.
  const waiting = bot.run(["wait", "--diag-addr", address, "--service=identity-1"]);
  let refusals = 0;
  bot.authority.intercept = () => {
    if (++refusals < 3) throw refusal("API_UNREACHABLE", "the connection was lost");
  };
  const stop = new AbortController();
  const running = bot.run([
    "start",
    "identity",
    `--destination=${bot.root}/machine-id`,
    "--proxy-server=demo.test:443",
    "--token=secret-token",
    `--ca-pin=${bot.pin}`,
    `--storage=${bot.root}/bot`,
    `--diag-addr=${address}`,
  ], stop.signal);
  for (let i = 1; i < 3; i++) {
    await bot.clock.asleep(1);
    const { status, services } = await (await fetch(`http://${address}/readyz`)).json();
    assert.equal(status, "unhealthy");
    assert.equal(services.identity.status, "unhealthy");
    assert.match(services.identity.reason, /the connection was lost/);
    assert.deepEqual(services["identity-1"], { status: "initializing" });
    await bot.clock.step(1);
  }
  await waiting;
  await bot.clock.asleep(LOOPS);
  const metrics = await (await fetch(`http://${address}/metrics`)).text();
  for (
    const line of [
      'tbot_task_iterations_total{service="internal/identity",name="identity"} 1',
      'tbot_task_iterations_successful_sum{service="internal/identity",name="identity"} 3',
      'tbot_task_iterations_total{service="identity",name="identity-1"} 1',
    ]
  ) assert.ok(metrics.split("\n").includes(line), `${line} is missing in\n${metrics}`);
  await assert.rejects(bot.run(["wait", "--diag-addr", address, "--service=other"]), {
    code: "CONFIG_INVALID",
  });
  stop.abort();
  await running;
});

const wrong: Record<string, [string[], { code: string; message?: RegExp }]> = {
  "nothing to start from": [["start"], { code: "CONFIG_INVALID", message: /no configuration/ }],
  "a configuration that is not there": [["start", "-c", "/nowhere/tbot.yaml"], {
    code: "CONFIG_INVALID",
    message: /^Cannot read the configuration \/nowhere\/tbot.yaml: ENOENT$/,
  }],
  "a configuration and an output at once": [
    ["start", "identity", "-c", "x", "--destination=/x"],
    { code: "CONFIG_INVALID", message: /both/ },
  ],
  "no destination": [["start", "identity"], { code: "commander.missingMandatoryOptionValue" }],
  "a destination elsewhere": [
    ["start", "identity", "--destination=s3://x", "--proxy-server=x:1"],
    { code: "CONFIG_INVALID", message: /s3:/ },
  ],
  "no proxy": [["start", "identity", "--destination=/x"], {
    code: "CONFIG_INVALID",
    message: /proxy_server/,
  }],
  "a pin that is none": [["start", "--ca-pin=abc"], { code: "commander.invalidArgument" }],
  "a duration that is none": [
    ["start", "identity", "--destination=/x", "--credential-ttl=1d"],
    { code: "commander.invalidArgument" },
  ],
  "another join method": [["start", "--join-method=iam"], { code: "commander.invalidArgument" }],
  "an unknown option": [["start", "--tokn=x"], { code: "commander.unknownOption" }],
};
for (const [what, [args, expected]] of Object.entries(wrong)) {
  test(`tbot refuses ${what}`, async (context) => {
    const bot = await setUp(context);
    await assert.rejects(bot.run(args), expected);
    assert.equal(bot.warned().startsWith("error: "), expected.code.startsWith("commander."));
    assert.equal(bot.output(), "");
    assert.deepEqual(bot.authority.calls, []);
  });
}

async function setUp(context: TestContext, env: TbotHost["env"] = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "postern-tbot-")));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const authority = await FakeAuthority.start(clock);
  authority.addToken("secret-token");
  const listeners = new Map<string, () => void>();
  const log: string[] = [];
  const write = (message: string) => void log.push(message);
  let printed = "";
  let warned = "";
  const host = (signal: AbortSignal): TbotHost => ({
    env,
    stdout: { write: (text) => printed += text },
    stderr: { write: (text) => warned += text },
    clock,
    signal,
    onSignal(name, listener) {
      listeners.set(name, listener);
      return () => listeners.delete(name);
    },
    onClockJump(listener) {
      listeners.set("jump", () => listener(3_600_000));
      return () => listeners.delete("jump");
    },
    openLog: () => ({ debug: write, info: write, warn: write, error: write }),
    connect: (options) => authority.connect(options),
    selfCommand: ["/usr/local/bin/tbot"],
    version: "1.2.3",
  });
  return {
    root,
    clock,
    authority,
    log,
    pin: caPin(authority.hostCa.certificate),
    output: () => printed,
    warned: () => warned,
    listeners: () => listeners.size,
    send: (name: string) => listeners.get(name)?.(),
    async run(args: string[], signal: AbortSignal = context.signal) {
      printed = "";
      await tbot(host(signal)).parseAsync(args, { from: "user" });
    },
    identity() {
      const text = readFileSync(join(root, "machine-id", "identity"), "utf8");
      return readCertificate(parseIdentityFile(text, "identity").tlsCertificate);
    },
  };
}
