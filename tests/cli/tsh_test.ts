import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { tsh } from "../../cli/commands/tsh.ts";
import type { TshHost } from "../../cli/commands/tsh.ts";
import { readConnectLine } from "../../cli/commands/tsh_connect.ts";
import { type ConnectOptions, formatIdentityFile, silentLog } from "../../identity/mod.ts";
import { systemClock } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { testIdentity } from "../support/identity.ts";
import { fixtureApp, startCluster } from "../support/relay_cluster.ts";
import { testRole } from "../support/role.ts";

const NO_TOOLS = { allowed: [], denied: ["*"] };

const APPS = [
  {
    name: "search",
    description: "Finds \x1b[1mthings",
    uri: "mcp+stdio://search",
    labels: { team: "a", env: "dev", "teleport.internal/app-sub-kind": "mcp" },
    tools: { allowed: ["read_*"], denied: ["read_all"] },
    byRole: [
      { role: "reader", allowed: ["read_*"], denied: [] },
      { role: "guard", allowed: [], denied: ["read_all"] },
    ],
  },
  { name: "files", description: "", uri: "mcp+stdio://", labels: {}, tools: NO_TOOLS },
];

async function setUp(context: TestContext, env: TshHost["env"] = {}) {
  const cluster = await startCluster();
  context.cleanup(() => cluster.close());
  cluster.view.apps.set("fixture", fixtureApp("fixture"));
  const root = mkdtempSync(join(tmpdir(), "postern-tsh-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const identity = await testIdentity(cluster);
  const identityPath = join(root, "identity");
  writeFileSync(
    identityPath,
    formatIdentityFile({
      ...identity,
      sshCertificate: "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAA",
    }),
  );
  const connected: ConnectOptions[] = [];
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const written: string[] = [];
  const warned: string[] = [];
  stdout.on("data", (chunk) => void written.push(String(chunk)));
  const host = (args: readonly string[]): TshHost => ({
    args,
    env,
    stdin,
    stdout,
    stderr: { write: (text) => warned.push(text) },
    isTty: { stdin: false },
    clock: systemClock,
    signal: context.signal,
    openLog: () => silentLog,
    connect: (options) => {
      connected.push(options);
      const apps = () =>
        Promise.resolve({
          principal: { bot: "robot", instance: "", roles: [], traits: {} },
          apps: APPS,
        });
      return { ...cluster.authority, apps };
    },
    selfCommand: ["/opt/postern/tsh-mcp"],
    version: "1.2.3",
  });
  return {
    cluster,
    identity,
    identityPath,
    connected,
    stdin,
    stdout,
    warned: () => warned.join(""),
    async run(...args: string[]) {
      written.length = 0;
      const code = await tsh(host(args));
      return { code, stdout: written.join("") };
    },
  };
}

test("`tsh mcp ls` lists the apps that the identity reaches", async (context) => {
  const { run, identityPath, identity, connected } = await setUp(context);
  const { code, stdout } = await run("mcp", "ls", "-i", identityPath, "--proxy", "x.test:443");
  assert.equal(code, 0);
  assert.equal(
    stdout,
    "Name   Description         Type  Allowed Tools                Labels\n" +
      "------ ------------------- ----- ---------------------------- --------------\n" +
      "files                      stdio (none) [!]\n" +
      "search Finds \\x1b[1mthings stdio [read_*], except: [read_all] env=dev,team=a\n" +
      "\n[!] No role allows a tool of this server: ask an administrator for a role with mcp.tools\n",
  );
  assert.deepEqual(connected, [{
    proxy: "x.test:443",
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials: { certificate: identity.tlsCertificate, key: identity.key },
  }]);
});

test("`tsh mcp ls` writes JSON and YAML for programs", async (context) => {
  const { run, identityPath } = await setUp(context, { TELEPORT_PROXY: "x.test:443" });
  const json = await run("mcp", "ls", "--format=json", "-i", identityPath);
  assert.deepEqual(JSON.parse(json.stdout), [
    {
      name: "files",
      description: "",
      type: "stdio",
      uri: "mcp+stdio://",
      labels: {},
      permissions: { mcp: { tools: NO_TOOLS } },
    },
    {
      name: "search",
      description: "Finds \x1b[1mthings",
      type: "stdio",
      uri: "mcp+stdio://search",
      labels: { env: "dev", team: "a" },
      permissions: {
        mcp: {
          tools: { allowed: ["read_*"], denied: ["read_all"], byRole: APPS[0]!.byRole },
        },
      },
    },
  ]);
  const yaml = await run("-i", identityPath, "mcp", "ls", "-f", "yaml");
  assert.match(yaml.stdout, /^- name: files\n/);
});

test("`tsh mcp ls` lists only what labels and words select", async (context) => {
  const { run, identityPath } = await setUp(context, { TELEPORT_PROXY: "x.test:443" });
  const names = async (...args: string[]) =>
    JSON.parse((await run("mcp", "ls", "-f", "json", "-i", identityPath, ...args)).stdout)
      .map(({ name }: { name: string }) => name);
  assert.deepEqual(await names("env=dev,team=a"), ["search"]);
  assert.deepEqual(await names("env=dev,team=b"), []);
  assert.deepEqual(await names("toString=x"), []);
  assert.deepEqual(await names("--search", "THINGS team=a"), ["search"]);
  assert.deepEqual(await names("--search=fil"), ["files"]);
  assert.deepEqual(await names("--query", 'labels["env"] == "dev"'), ["search"]);
  assert.deepEqual(await names("--query", 'hasPrefix(name, "fi") || labels.team == "a"'), [
    "files",
    "search",
  ]);
  const { stdout } = await run("mcp", "ls", "-v", "-i", identityPath, "team=a");
  assert.match(stdout, / stdio mcp\+stdio:\/\/search \[read_\*\]/);
  assert.doesNotMatch(stdout, /\[!\]/);
  assert.ok(
    stdout.endsWith(
      "\nsearch:\n  read_* allowed by role reader\n  read_all denied by role guard\n",
    ),
    stdout,
  );
  await assert.rejects(run("mcp", "ls", "-i", identityPath, "nope"), { code: "BAD_REQUEST" });
});

test("`tsh mcp config` prints an entry that starts this program from anywhere", async (context) => {
  const { run } = await setUp(context);
  const { stdout } = await run(
    "mcp",
    "config",
    "-i",
    "/id/identity",
    "--proxy=x.test:443",
    "my-app",
  );
  assert.deepEqual(JSON.parse(stdout), {
    mcpServers: {
      "teleport-mcp-my-app": {
        command: "/opt/postern/tsh-mcp",
        args: ["mcp", "connect", "-i", "/id/identity", "--proxy", "x.test:443", "my-app"],
      },
    },
  });
});

const ENTRY = (app: string, ...more: string[]) => ({
  command: "/opt/postern/tsh-mcp",
  args: ["mcp", "connect", "-i", "/id/identity", "--proxy", "x.test:443", ...more, app],
});

test("`tsh mcp config` needs one way to say which servers are meant", async (context) => {
  const { run } = await setUp(context);
  const where = ["mcp", "config", "-i", "/id", "--proxy=x:1"];
  for (
    const which of [[], ["a", "--all"], ["--all", "--labels=a=b"], ["a", '--query=name == "a"']]
  ) {
    await assert.rejects(run(...where, ...which), { code: "BAD_REQUEST" }, which.join(" "));
  }
  await assert.rejects(run(...where, "a", "--remove"), { code: "BAD_REQUEST" });
  await assert.rejects(
    run(...where, "--labels=a=b", "--remove", "--client-config=/x"),
    { code: "BAD_REQUEST" },
  );
});

test("`tsh mcp config` writes what is meant into a client's file, says what changes, and takes it out", async (context) => {
  const { run, identityPath } = await setUp(context, {
    TELEPORT_MCP_CONFIG_JSON_FORMAT: "compact",
  });
  const path = join(dirname(identityPath), "mcp.json");
  const other = { command: "theirs", env: { API_KEY: "s3cret" } };
  const before = JSON.stringify({ mcpServers: { other } });
  writeFileSync(path, before);
  const config = async (...args: string[]) =>
    (await run(
      "mcp",
      "config",
      "-i",
      identityPath,
      "--proxy=x.test:443",
      `--client-config=${path}`,
      ...args,
    ))
      .stdout;
  const servers = () => JSON.parse(readFileSync(path, "utf8")).mcpServers;
  const first = await config("--all", "--no-auto-reconnect");
  assert.deepEqual(Object.keys(servers()), ["other", "teleport-mcp-files", "teleport-mcp-search"]);
  assert.equal(servers()["teleport-mcp-files"].args.at(-2), "--no-auto-reconnect");
  assert.match(first, /^\+ .*"teleport-mcp-files": \{$/m);
  assert.match(first, /^Updated client configuration at:\n.*mcp\.json$/m);
  // What else is in the file is nobody's business.
  assert.doesNotMatch(first, /s3cret/);
  assert.equal(readFileSync(`${path}.postern.bak`, "utf8"), before);
  const second = await config("--query", 'name == "files"');
  assert.match(second, /^- +"--no-auto-reconnect",$/m);
  assert.match(await config("--labels", "team=a"), /^- +"--no-auto-reconnect",$/m);
  assert.match(await config("files"), /^Nothing to change/);
  assert.match(await config("--remove", "files"), /^- +"teleport-mcp-files": \{$/m);
  assert.deepEqual(Object.keys(servers()), ["other", "teleport-mcp-search"]);
  await config("--remove", "--all");
  assert.deepEqual(servers(), { other });
  // As the variable says.
  assert.equal(readFileSync(path, "utf8").includes("\n"), false);
});

test("`tsh mcp config` prints entries alone, so that programs can read them", async (context) => {
  const { run, identityPath, warned } = await setUp(context, { TELEPORT_PROXY: "x.test:443" });
  const { stdout } = await run("mcp", "config", "-R", "-i", identityPath);
  assert.deepEqual(Object.keys(JSON.parse(stdout).mcpServers), [
    "teleport-mcp-files",
    "teleport-mcp-search",
  ]);
  assert.match(warned(), /^Found MCP servers:\nfiles\nsearch\n/);
  const named = await run("mcp", "config", "-i", "/id/identity", "--no-auto-reconnect", "a");
  assert.deepEqual(JSON.parse(named.stdout), {
    mcpServers: { "teleport-mcp-a": ENTRY("a", "--no-auto-reconnect") },
  });
  await assert.rejects(run("mcp", "config", "-i", identityPath, "--labels=env=none"), {
    code: "NOT_FOUND",
  });
});

for (const words of [["mcp", "connect"], ["connect"]]) {
  test(`\`tsh ${words.join(" ")}\` carries messages to the app and back`, async (context) => {
    const { run, cluster, identityPath, stdin, stdout } = await setUp(context);
    const answer = new Promise<string>((resolve) => stdout.once("data", (d) => resolve(String(d))));
    const ended = run(...words, "-i", identityPath, "--proxy", cluster.proxy, "fixture");
    const initialize = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "t", version: "1" },
    };
    stdin.write(
      `${JSON.stringify({ jsonrpc: "2.0", id: 7, method: "initialize", params: initialize })}\n`,
    );
    assert.equal(JSON.parse(await answer).id, 7);
    stdin.end();
    assert.equal((await ended).code, 0);
  });
}

test("`tsh mcp connect` answers each request with why the identity cannot be read", async (context) => {
  const { run, cluster, identityPath, stdin, stdout } = await setUp(context);
  const whole = readFileSync(identityPath);
  writeFileSync(identityPath, whole.subarray(0, 40));
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const ask = async (id: number) => {
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "t", version: "1" },
    };
    stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method: "initialize", params })}\n`);
    return JSON.parse((await answers.next()).value ?? "");
  };
  const ended = run("mcp", "connect", "-i", identityPath, "--proxy", cluster.proxy, "fixture");
  const cut = await ask(1);
  assert.equal(cut.id, 1);
  assert.equal(cut.error.code, -32603);
  assert.match(cut.error.message, /^\[MCP_AUTH_REQUIRED\] .*systemctl restart tbot/);
  rmSync(identityPath);
  assert.match((await ask(2)).error.message, /there is none\. Renew /);
  // tbot has written it: the same bridge goes on.
  writeFileSync(identityPath, whole);
  const good = await ask(3);
  assert.ok(good.result?.serverInfo, JSON.stringify(good));
  stdin.end();
  assert.equal((await ended).code, 0);
});

for (
  const [what, line, expected] of [
    ["no identity", ["a"], /^\[MCP_TELEPORT_ERROR\] .*no identity is given\. Add -i /],
    ["no cluster", ["-i", "x", "a"], /^\[MCP_TELEPORT_ERROR\] .*no cluster is given\. Add --proxy/],
    ["a bad address", ["-i", "x", "--proxy=a:b:c", "a"], /^\[MCP_TELEPORT_ERROR\] .*a:b:c/],
    ["--insecure", ["--insecure", "-i", "x", "--proxy=x:1", "a"], /--insecure .*Leave it out/],
  ] as const
) {
  test(`\`tsh mcp connect\` tells the client what is wrong with its line: ${what}`, async (context) => {
    const { run, stdin, stdout } = await setUp(context);
    const answer = new Promise<string>((resolve) => stdout.once("data", (d) => resolve(String(d))));
    const ended = run("mcp", "connect", ...line);
    stdin.write('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n');
    const { error, id } = JSON.parse(await answer);
    assert.equal(id, 1);
    assert.match(error.message, expected);
    stdin.end();
    await assert.rejects(ended, { code: "BAD_REQUEST" });
  });
}

test("`tsh mcp connect` fails in the end if the identity never could be read", async (context) => {
  const { run, stdin } = await setUp(context);
  stdin.end();
  await assert.rejects(run("mcp", "connect", "-i", "/nowhere/identity", "--proxy=x.test:1", "a"), {
    code: "IDENTITY_FILE_MISSING",
  });
});

const wrong: Record<string, [string[], { code: string; message?: RegExp }]> = {
  "no identity": [["mcp", "connect", "a"], {
    code: "BAD_REQUEST",
    message: /no identity is given/,
  }],
  "no cluster": [["mcp", "ls", "-i", "x"], { code: "BAD_REQUEST", message: /no cluster is given/ }],
  "an address that is none": [["connect", "-i", "x", "--proxy=a:b:c", "a"], {
    code: "BAD_REQUEST",
  }],
  "to list with an identity that is not there": [
    ["mcp", "ls", "-i", "/nowhere/identity", "--proxy=x:1"],
    { code: "IDENTITY_FILE_MISSING" },
  ],
  "--insecure": [["mcp", "ls", "--insecure", "-i", "x", "--proxy=x:1"], {
    code: "BAD_REQUEST",
    message: /--insecure would turn nothing off/,
  }],
  "headers of the client": [["mcp", "config", "-H", "K: V", "-i", "x", "--proxy=x:1", "a"], {
    code: "BAD_REQUEST",
    message: /headers/,
  }],
  "no app": [["mcp", "connect"], { code: "commander.missingArgument" }],
  "two apps": [["connect", "a", "b"], { code: "commander.excessArguments" }],
  "an unknown option": [["mcp", "ls", "--identiy=x"], { code: "commander.unknownOption" }],
};
for (const [what, [args, expected]] of Object.entries(wrong)) {
  test(`tsh refuses ${what}`, async (context) => {
    const { run, stdin, warned } = await setUp(context);
    stdin.end();
    await assert.rejects(run(...args), expected);
    assert.equal(warned().startsWith("error: "), expected.code.startsWith("commander."));
  });
}

test("readConnectLine() reads the line that MCP clients are configured with", () => {
  const options = { insecure: undefined, debug: undefined, logFormat: undefined };
  const expected = {
    app: "my-app",
    identity: "/id",
    proxy: "x:443",
    autoReconnect: true,
    ...options,
  };
  for (
    const line of [
      "mcp connect -i /id --proxy x:443 my-app",
      "connect my-app --identity=/id --proxy=x:443",
      "-i /id --proxy x:443 mcp connect --auto-reconnect my-app",
    ]
  ) assert.deepEqual(readConnectLine(line.split(" ")), expected, line);
  for (const off of ["--no-auto-reconnect", "--no-reconnect"]) {
    const line = `mcp connect -i /id --proxy x:443 ${off} my-app`.split(" ");
    assert.deepEqual(readConnectLine(line), { ...expected, autoReconnect: false });
  }
});

test("readConnectLine() leaves what is not such a line to the command library", () => {
  for (
    const line of [
      "mcp ls",
      "mcp connect",
      "mcp connect a b",
      "mcp connect --help",
      "connect --nope a",
      "connect -i",
      "connect --log-format=xml a",
      "mcp ls connect",
    ]
  ) assert.equal(readConnectLine(line.split(" ")), undefined, line);
});

test("`tsh mcp call` prints what a tool answers, and says what is wrong", async (context) => {
  const { run, cluster, identityPath } = await setUp(context);
  const call = (...args: string[]) =>
    run("mcp", "call", "-i", identityPath, `--proxy=${cluster.proxy}`, ...args);
  const said = await call("fixture", "echo", '{"text": "one\\n\\u001b[1mtwo"}');
  assert.deepEqual(said, { code: 0, stdout: "one\n\\x1b[1mtwo\n" });
  const json = await call("fixture", "echo", '{"text": "x"}', "--format=json");
  assert.deepEqual(JSON.parse(json.stdout), { content: [{ type: "text", text: "x" }] });
  await assert.rejects(call("fixture", "nope"), {
    message: /Cannot call "nope" of app "fixture": Unknown tool nope \[-32602\]/,
  });
  await assert.rejects(call("fixture", "echo", "{"), { code: "BAD_REQUEST", message: /not JSON/ });
  await assert.rejects(call("fixture", "echo", "[]"), {
    code: "BAD_REQUEST",
    message: /no JSON object/,
  });
  await assert.rejects(call("none", "echo"), {
    message: /Cannot reach app "none": \[MCP_TELEPORT_ERROR\]/,
  });
  while (cluster.agent.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

test("`tsh mcp inspect` shows a server and the tools that may be used", async (context) => {
  const { run, cluster, identityPath } = await setUp(context);
  cluster.view.roles.set("tester", testRole("tester", ["e*"]));
  const inspect = (...args: string[]) =>
    run("mcp", "inspect", "-i", identityPath, `--proxy=${cluster.proxy}`, "fixture", ...args);
  assert.equal(
    (await inspect()).stdout,
    "Server:   fixture 1\nProtocol: 2025-11-25\n\nTools (2):\n  echo\n  env\n",
  );
  const { tools, server } = JSON.parse((await inspect("-f", "json")).stdout);
  assert.deepEqual(server, { name: "fixture", version: "1" });
  assert.deepEqual(tools.map(({ name }: { name: string }) => name), ["echo", "env"]);
});
