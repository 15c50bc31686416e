// The compiled programs by themselves, and every entry under Deno with no more than it needs. The
// lines for Deno are those of the README.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  currentUser,
  denoPath,
  eventually,
  type Finished,
  HUNG_MS,
  nodePath,
  type ProgramName,
  runProgram,
  within,
} from "../support/cluster_process.ts";
import { test, type TestContext } from "../support/harness.ts";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

function folder({ cleanup }: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "postern-programs-")));
  cleanup(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const answers: [ProgramName, string[], number, RegExp][] = [
  ["tbot", ["version"], 0, /^Postern v0\.1\.0\n$/],
  ["tsh-mcp", ["version"], 0, /^Postern v0\.1\.0\n$/],
  ["app-agent", ["version"], 0, /^Postern v0\.1\.0\n$/],
  ["tsh", ["mcp", "--help"], 0, /^Usage: tsh mcp /],
  ["tctl", ["--help"], 0, /^Usage: tctl /],
  ["app-agent", ["ctl", "--help"], 0, /^Usage: tctl /],
  ["tctl", ["policy", "--help"], 0, /^Usage: policy /],
  ["tbot", ["bogus"], 2, /^$/],
  ["tsh", ["mcp", "connect", "app"], 2, /^$/],
  ["tsh", ["mcp", "connect", "-i", "/nowhere/identity", "--proxy", "x:1", "app"], 1, /^$/],
  ["tctl", ["bogus"], 2, /^$/],
];
for (const [name, args, code, stdout] of answers) {
  test(`${name} ${args.join(" ")} answers from anywhere, with an empty PATH`, async (context) => {
    const finished = await runProgram(name, args, { cwd: folder(context), env: { PATH: "" } });
    assert.equal(finished.code, code, finished.stderr);
    assert.match(finished.stdout, stdout);
    if (code !== 0) assert.match(finished.stderr, /^error: /m);
  });
}

const elsewhere: [string[], RegExp][] = [
  [
    ["start", "application-proxy", "--app-name=x", "--help"],
    /^error: Cannot start a service: services of type "application-proxy" are .* `application-tunnel`/,
  ],
  [
    ["configure", "kubernetes/v2", "--destination=/x"],
    /^error: Cannot configure a service: services of type "kubernetes\/v2" are .* app-agent/,
  ],
];
for (const [args, stderr] of elsewhere) {
  test(`tbot ${args.join(" ")} is told what to use in its place`, async (context) => {
    const finished = await runProgram("tbot", args, { cwd: folder(context), env: { PATH: "" } });
    assert.equal(finished.code, 2);
    assert.equal(finished.stdout, "");
    assert.match(finished.stderr, stderr);
    assert.match(finished.stderr, /^[^\n]+\n$/);
  });
}

test("the programs take no orders from the files of the working directory", async (context) => {
  const cwd = folder(context);
  const marker = join(cwd, "evil-was-here");
  writeFileSync(join(cwd, ".env"), "TBOT_CONFIG_PATH=/evil.yaml\nTELEPORT_IDENTITY_FILE=/evil\n");
  writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(
    join(cwd, "evil.ts"),
    `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "");`,
  );
  const env = { PATH: "" };
  const tbot = await runProgram("tbot", ["start"], { cwd, env });
  assert.match(tbot.stderr, /no configuration is given/);
  const tsh = await runProgram("tsh", ["mcp", "connect", "app"], { cwd, env });
  assert.match(tsh.stderr, /no identity is given/);
  await runProgram("app-agent", ["version"], { cwd, env });
  assert.ok(!existsSync(marker));
  // What the file says counts when it comes from the environment itself.
  const told = await runProgram("tbot", ["start"], {
    cwd,
    env: { ...env, TBOT_CONFIG_PATH: "/evil.yaml" },
  });
  assert.match(told.stderr, /\/evil\.yaml/);
});

interface Entry {
  readonly permissions: readonly string[];
  readonly entry: string;
  readonly args: readonly string[];
}

function start({ permissions, entry, args }: Entry, cwd: string) {
  // Through `env`: Deno gives all its own permissions to a Deno that it starts itself.
  return spawn("env", [
    denoPath(),
    "run",
    "--no-prompt",
    "--no-check",
    `--config=${join(root, "deno.json")}`,
    ...permissions,
    join(root, "cli", entry),
    ...args,
  ], { cwd, stdio: ["pipe", "pipe", "pipe"] });
}

/** Runs an entry under Deno to its end; `stdin` stays open until the answer has come. */
function deno(entry: Entry, cwd: string, stdin?: string): Promise<Finished> {
  const child = start(entry, cwd);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
    if (stdin !== undefined && stdout.includes("\n")) child.stdin.end();
  });
  child.stderr.on("data", (chunk) => void (stderr += chunk));
  child.stdin.on("error", () => {});
  if (stdin === undefined) child.stdin.end();
  else child.stdin.write(stdin);
  const timer = setTimeout(() => child.kill("SIGKILL"), HUNG_MS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

test("policy needs to read, and nothing else, under Deno", async (context) => {
  const cwd = folder(context);
  writeFileSync(join(cwd, "role.yaml"), ROLE);
  const entry = { entry: "policy.ts", args: ["lint", "role.yaml"] };
  const allowed = await deno({ ...entry, permissions: ["--allow-read"] }, cwd);
  assert.equal(allowed.code, 0, allowed.stderr);
  const denied = await deno({ ...entry, permissions: [] }, cwd);
  assert.notEqual(denied.code, 0);
});

const ROLE = `kind: role
version: v6
metadata: {name: example-role}
spec: {allow: {app_labels: {env: dev}, mcp: {tools: [echo]}}}
`;

test("the whole path runs under Deno, each program with its own few permissions", async (context) => {
  const cwd = folder(context);
  mkdirSync(join(cwd, "data"), { mode: 0o700 });
  writeFileSync(join(cwd, "role.yaml"), ROLE);
  const server = join(root, "tests/support/stdio_server.mjs");
  writeFileSync(
    join(cwd, "teleport.yaml"),
    `teleport: {data_dir: ${cwd}/data}
auth_service: {cluster_name: example.test}
proxy_service: {web_listen_addr: "127.0.0.1:0"}
app_service:
  apps:
  - name: fixture
    labels: {env: dev}
    mcp: {command: ${nodePath()}, args: [${server}], run_as_host_user: ${currentUser()}}
`,
  );
  const socket = `unix:${cwd}/data/admin/authority.sock`;
  const agent = start({
    permissions: [
      "--allow-read",
      `--allow-write=${cwd}/data`,
      `--allow-net=127.0.0.1,${socket}`,
      "--allow-run",
      "--allow-sys=uid,gid,userInfo",
      "--allow-env",
    ],
    entry: "app_agent.ts",
    args: ["start", "-c", "teleport.yaml"],
  }, cwd);
  const ended = new Promise<number | null>((resolve) => agent.on("exit", resolve));
  context.cleanup(async () => {
    agent.kill("SIGTERM");
    await within(ended, "the agent to end").catch((error) => {
      agent.kill("SIGKILL");
      throw error;
    });
  });
  let [out, log] = ["", ""];
  agent.stdout.on("data", (chunk) => void (out += chunk));
  agent.stderr.on("data", (chunk) => void (log += chunk));
  await eventually(() => out.includes("CA pin") || agent.exitCode !== null, "the agent is ready");
  const proxy = /address +(\S+)/.exec(out)?.[1] ?? assert.fail(log);
  const pin = /sha256:[0-9a-f]{64}/.exec(out)?.[0] ?? assert.fail(out);

  const tctl = async (...args: string[]) => {
    const permissions = ["--allow-read", `--allow-write=${cwd}/data`, `--allow-net=${socket}`];
    const entry = {
      permissions,
      entry: "app_agent.ts",
      args: ["ctl", "-c", "teleport.yaml", ...args],
    };
    const { code, stdout, stderr } = await deno(entry, cwd);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await tctl("create", "-f", "role.yaml");
  const token = /--token=([0-9a-f]{32})/.exec(
    await tctl("bots", "add", "example", "--roles=example-role"),
  )?.[1];

  const joined = await deno({
    permissions: [
      "--allow-read",
      `--allow-write=${cwd}/bot,${cwd}/machine-id`,
      "--allow-net=127.0.0.1",
      "--allow-sys",
    ],
    entry: "tbot.ts",
    args: [
      ...["start", "identity", "--oneshot", "--allow-reissue", `--token=${token}`],
      ...[`--ca-pin=${pin}`, `--proxy-server=${proxy}`, "--join-method=token"],
      ...[`--storage=${cwd}/bot`, `--destination=${cwd}/machine-id`],
    ],
  }, cwd);
  assert.equal(joined.code, 0, joined.stderr);

  const connected = await deno(
    {
      permissions: [`--allow-read=${root},${cwd}/machine-id`, "--allow-net=127.0.0.1"],
      entry: "tsh_mcp.ts",
      args: ["mcp", "connect", "-i", "machine-id/identity", "--proxy", proxy, "fixture"],
    },
    cwd,
    `${
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: "2025-11-25",
          capabilities: {},
          clientInfo: { name: "test", version: "1" },
        },
      })
    }\n`,
  );
  assert.equal(connected.code, 0, connected.stderr);
  assert.equal(JSON.parse(connected.stdout).result?.serverInfo?.name, "fixture", connected.stdout);
});
