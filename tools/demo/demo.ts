/**
 * The guide, once, for real: a cluster in a temporary directory, a bot, an MCP client, and what
 * roles do to it. `--keep` leaves the cluster running. Each step is checked; the first that does
 * not do what it should ends the walk with a message and exit code 1.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  botFile,
  ClusterProcess,
  eventually,
  GUIDE_ROLE,
  NARROW_ROLE,
  pinIn,
  program,
  type ProgramName,
  RunningProgram,
  runProgram,
  tokenIn,
} from "../../tests/support/cluster_process.ts";
import { McpClient } from "../../tests/support/mcp_client.ts";
import { build, mustBuild } from "./_programs.ts";
import { createStage, expect, StepFailed } from "./_stage.ts";

const APP = "my-mcp-server";
const keep = process.argv.includes("--keep");

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interruption.abort());
}
const stage = createStage(interruption.signal);
const { say, step } = stage;

const directory = mkdtempSync(join(tmpdir(), "postern-demo-"));
const cleanups: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
let finished = false;
try {
  await walk();
  finished = true;
} catch (error) {
  const message = error instanceof StepFailed ? error.message : String(error);
  process.stderr.write(`\nerror: the demonstration stopped: ${message}\n`);
  process.exitCode = interruption.signal.aborted ? 130 : 1;
}
if (!(keep && finished)) {
  for (const cleanup of cleanups.reverse()) {
    try {
      await cleanup();
    } catch (error) {
      process.stderr.write(`error: cleaning up: ${error}\n`);
      process.exitCode ||= 1;
    }
  }
}
if (finished && !keep) say("Everything is stopped, and the directory is removed.");

async function walk(): Promise<void> {
  if (mustBuild()) {
    say("Compile the three programs.");
    stage.command("npm run build");
    stage.output(await step("compile the programs", () => Promise.resolve(build())));
  }

  say(`Start a cluster in ${directory}: authority, relay and agent are one process here.`);
  const cluster = await ClusterProcess.create(directory, { detached: keep });
  cleanups.push(() => cluster.stop());
  stage.command("app-agent start -c teleport.yaml");
  await step("start the cluster", () => cluster.start());
  stage.output(cluster.agent.stdout.split("\n\n")[0] ?? "");

  const tctl = async (name: string, args: readonly string[]): Promise<string> => {
    stage.command(`tctl -c teleport.yaml ${args.join(" ")}`);
    const stdout = await step(name, () => succeed("tctl", ["-c", "teleport.yaml", ...args]));
    stage.output(stdout);
    return stdout;
  };

  say("Is it there? The guide asks with curl, and so do we.");
  stage.command(`curl -k https://${cluster.proxy}/v1/webapi/find`);
  const found = await step("ask for the version", () => get(cluster.proxy, "/v1/webapi/find"));
  stage.output(found);
  expect(
    typeof (JSON.parse(found) as { server_version?: unknown }).server_version === "string",
    "the answer has no server_version",
  );

  say("1. A role says which MCP servers, by label, and which of their tools.");
  write("role.yaml", GUIDE_ROLE);
  show("role.yaml", GUIDE_ROLE);
  await tctl("create the role", ["create", "-f", "role.yaml"]);

  say("2. A machine is a bot: it gets a one-time token to join with, and the role.");
  const added = await tctl("add the bot", ["bots", "add", "example"]);
  await tctl("give the bot the role", [
    "bots",
    "update",
    "example",
    "--add-roles",
    "example-role",
  ]);
  const status = await tctl("read the CA pin", ["status"]);

  say("tbot joins with the token, trusts the cluster by its CA pin, and writes an identity.");
  const tbotYaml = botFile({
    proxy: cluster.proxy,
    token: tokenIn(added),
    pin: pinIn(status),
    storage: join(directory, "bot"),
    destination: join(directory, "machine-id"),
  });
  write("tbot.yaml", tbotYaml);
  show("tbot.yaml", tbotYaml);
  stage.command("tbot start -c tbot.yaml --oneshot");
  stage.output(
    await step("start tbot", async () => {
      const { code, stdout, stderr } = await run("tbot", ["start", "-c", "tbot.yaml", "--oneshot"]);
      expect(code === 0, `tbot ended with ${code}:\n${stderr}`);
      return (stdout + stderr).split("\n").map(readable).join("\n");
    }),
  );
  const identity = join(directory, "machine-id", "identity");
  const mode = (statSync(identity).mode & 0o777).toString(8);
  expect(process.platform === "win32" || mode === "600", `the identity's mode is ${mode}`);

  say("3. An MCP client (the SDK's) starts the bridge where it would start the server.");
  const line = ["mcp", "connect", "-i", "machine-id/identity", "--proxy", cluster.proxy, APP];
  stage.command(`tsh ${line.join(" ")}`);
  const client = await step(
    "open the MCP session",
    () => McpClient.open({ command: program("tsh"), args: line, cwd: directory }),
  );
  cleanups.push(() => client.close());
  stage.output(`connected to ${client.server}`);
  const tools = await listTools(client);
  expect(tools.includes("echo") && tools.includes("get-env"), "echo and get-env are missing");
  expect(
    await call(client, "echo", { message: "hello" }) === "Echo: hello",
    "echo answered wrongly",
  );
  expect(
    (await call(client, "get-sum", { a: 40, b: 2 })).includes("42"),
    "get-sum answered wrongly",
  );

  say("4. A narrower role, while the session is open: the client learns of it at once.");
  write("role.yaml", NARROW_ROLE);
  show("role.yaml", NARROW_ROLE.slice(NARROW_ROLE.indexOf("spec:")));
  await tctl("narrow the role", ["create", "-f", "role.yaml"]);
  await step(
    "hear that the tools have changed",
    () => eventually(() => client.listChanges > 0, "the client hears of the change"),
  );
  stage.output("notifications/tools/list_changed → the client lists the tools again");
  const fewer = await listTools(client);
  expect(fewer.length < tools.length && !fewer.includes("get-env"), "get-env is still listed");
  const refusal = await step("be refused", () => client.refusal("get-env"));
  stage.output(`tools/call get-env → error ${refusal.code}`);
  stage.output(`  ${refusal.message}`);
  expect(refusal.code === -32602, `the refusal has the code ${refusal.code}, not -32602`);
  expect(await call(client, "echo", { message: "still here" }) !== "", "echo does not answer");
  await step("close the MCP session", () => client.close());

  say("5. All of that is in the audit log.");
  const log = await tctl("read the audit log", ["audit", "ls"]);
  for (const event of ["mcp.session.start", "mcp.session.request", "bot.join"]) {
    expect(log.includes(event), `there is no ${event} in the audit log`);
  }
  if (keep) await leaveRunning(cluster);
}

/** Starts the bot as a daemon, and tells how to go on and how to stop. */
async function leaveRunning(cluster: ClusterProcess): Promise<void> {
  const bot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], {
    cwd: directory,
    detached: true,
  });
  cleanups.push(() => bot.stop());
  const identity = join(directory, "machine-id", "identity");
  const before = statSync(identity).mtimeMs;
  await step(
    "keep the identity fresh",
    () => bot.until(() => statSync(identity).mtimeMs > before, "it had renewed the identity"),
  );
  const entry = await step(
    "write the client's entry",
    () => succeed("tsh", ["mcp", "config", "-i", identity, "--proxy", cluster.proxy, APP]),
  );
  const { pid } = cluster.agent;
  say("The cluster and tbot go on running. Paste this into claude_desktop_config.json:");
  stage.output(entry);
  say(`The files, and the logs of both programs, are in ${directory}. To stop and remove it all:`);
  stage.command(`kill ${bot.pid} ${pid}; rm -r ${directory}`);
  bot.release();
  cluster.agent.release();
}

async function listTools(client: McpClient): Promise<string[]> {
  const tools = await step("list the tools", () => client.tools());
  stage.output(`tools/list → ${tools.length} tools: ${tools.join(", ")}`);
  return tools;
}

async function call(client: McpClient, name: string, args: Record<string, unknown>) {
  const answer = await step(`call ${name}`, () => client.call(name, args));
  stage.output(`tools/call ${name} ${JSON.stringify(args)} → ${answer}`);
  return answer;
}

function run(name: ProgramName, args: readonly string[]) {
  return runProgram(name, args, { cwd: directory, signal: interruption.signal });
}

async function succeed(name: ProgramName, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(name, args);
  expect(code === 0, `${name} ${args.join(" ")} ended with ${code}:\n${stderr}`);
  return stdout;
}

function write(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

function show(name: string, text: string): void {
  stage.command(`cat ${name}`);
  stage.output(text);
}

/** A line of a log as people read it. */
function readable(line: string): string {
  if (!line.startsWith("{")) return line;
  const { message, level, time: _, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
  return `${String(level).toUpperCase()} ${message}${rest}`;
}

/** Unverified, as with `curl -k`: nothing is known of the cluster yet, and nothing secret is sent. */
function get(proxy: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`https://${proxy}`);
    const asked = request({
      host: hostname,
      port,
      path,
      agent: false,
      rejectUnauthorized: false,
      servername: "",
    }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      answer.on(
        "end",
        () =>
          answer.statusCode === 200
            ? resolve(text)
            : reject(new StepFailed(`HTTP status ${answer.statusCode}`)),
      );
    });
    asked.on("error", reject).end();
  });
}
