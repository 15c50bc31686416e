// Any one process is killed at each step: there is an error to act on, and never a hang. The waits
// are bounded only to notice a hang; how long something takes decides nothing.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  eventually,
  EVERYTHING,
  isRunning,
  nodePath,
  program,
  RunningProgram,
  within,
} from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import type { TestContext } from "../support/harness.ts";
import { scenario as test } from "../support/scenario.ts";
import { playKills } from "../support/tbot_kills.ts";

const posix = process.platform === "win32" ? "needs a shell" : false;
const linux = process.platform === "linux" ? false : "reads /proc";

/** A cluster whose MCP server writes down its process id, with an identity. */
async function withServerId(
  context: TestContext,
  sections = "",
): Promise<{ guide: Guide; serverId(): number }> {
  const guide = await Guide.start(context, {
    sections,
    command: [
      "/bin/sh",
      "-c",
      `echo $$ > "$PWD/server.pid"; exec "$0" "$1"`,
      nodePath(),
      EVERYTHING,
    ],
  });
  await guide.join();
  return {
    guide,
    serverId: () => Number(readFileSync(join(guide.directory, "server.pid"), "utf8")),
  };
}

const LONG = { duration: 3600, steps: 1 };

test(
  "the agent is killed: the call in flight fails, and the client goes on with the next agent",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const client = await guide.open();
    const call = client.refusal("trigger-long-running-operation", LONG);
    await client.call("echo", { message: "the call before is in flight" });
    await guide.cluster.agent.kill();
    // What is asked meanwhile waits; unless the bridge has not seen the end of its connection yet,
    // and cannot know any more what became of what it wrote.
    const later = client.call("echo", { message: "later" }).catch(String);
    await guide.cluster.start();
    const error = await within(call, "the answer to the call in flight");
    assert.match(error.message, /effect is unknown/);
    assert.match(await within(later, "a later answer"), /^Echo: later$|had an effect is unknown/);
    assert.equal(await client.call("echo", { message: "after" }), "Echo: after");
    assert.equal(client.closed, false);
  },
  { proves: ["fault.agent"] },
);

test("the agent is away: tbot, the bridge and tsh say so and end; tctl works", async (context) => {
  const guide = await Guide.start(context);
  await guide.writeBotFile();
  await guide.cluster.agent.kill();
  const join = () => guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
  const refused = await join();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /\[API_UNREACHABLE\]\nhint: /);
  await guide.cluster.start();
  assert.equal((await join()).code, 0);
  await guide.cluster.agent.kill();

  const where = ["-i", guide.identity, "--proxy", guide.cluster.proxy];
  const list = await guide.run("tsh", "mcp", "ls", ...where);
  assert.equal(list.code, 1);
  assert.match(list.stderr, /\[API_UNREACHABLE\]\nhint: /);
  await assert.rejects(guide.open(), /MCP_NETWORK_UNAVAILABLE/);
  assert.match(await guide.tctl("bots", "ls"), /example/);
}, { proves: ["fault.agent_away"] });

test(
  "the MCP server is killed: the client is told, and goes on with another one",
  async (context) => {
    const { guide, serverId } = await withServerId(context);
    const client = await guide.open();
    const call = client.refusal("trigger-long-running-operation", LONG);
    await client.call("echo", { message: "the call before is in flight" });
    process.kill(serverId(), "SIGKILL");
    const error = await within(call, "the answer to the call in flight");
    assert.match(error.message, /MCP_UPSTREAM_ERROR.*effect is unknown/);
    assert.equal(await client.call("echo", { message: "on" }), "Echo: on");
    assert.ok(client.listChanges > 0, "the client is told to look at the tools again");
  },
  { proves: ["fault.server"], skip: posix },
);

test("the bridge is killed: the client sees it, and the agent ends the server", async (context) => {
  const { guide, serverId } = await withServerId(context, "  limits: {unreached_timeout: 1s}\n");
  const client = await guide.open();
  const server = serverId();
  assert.ok(isRunning(server));
  process.kill(client.pid, "SIGKILL");
  await eventually(() => client.closed, "the client notices");
  await eventually(() => !isRunning(server), "the agent has ended the server");
  assert.match(await guide.tctl("audit", "ls"), /mcp\.session\.end/);
}, { proves: ["fault.bridge"], skip: posix });

test("the agent is killed: no server that it has started stays behind", async (context) => {
  const { guide, serverId } = await withServerId(context);
  await guide.open();
  const server = serverId();
  await guide.cluster.agent.kill();
  await eventually(() => !isRunning(server), "the reaper has ended the server");
}, { proves: ["fault.orphans"], skip: posix });

test(
  "the reaper is killed: sessions go on, and the next one has a reaper again",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const client = await guide.open();
    const reaper = reaperOf(guide.cluster.agent);
    assert.ok(reaper !== undefined);
    process.kill(reaper, "SIGKILL");
    await eventually(() => !isRunning(reaper), "the reaper is gone");
    assert.equal(await client.call("echo", { message: "on" }), "Echo: on");
    const next = await guide.open();
    assert.equal(await next.call("echo", { message: "next" }), "Echo: next");
    assert.notEqual(reaperOf(guide.cluster.agent), undefined);
  },
  { proves: ["fault.reaper"], skip: linux },
);

/** The child of the agent that is its own program. */
function reaperOf(agent: RunningProgram): number | undefined {
  return readdirSync("/proc").map(Number).filter((pid) => pid > 0).find((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/stat`, "utf8");
      const parent = Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
      return parent === agent.pid &&
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("__reaper");
    } catch {
      return false;
    }
  });
}

test(
  "tbot is killed at any moment of joining: it starts again with the same token",
  async (context) => {
    const guide = await Guide.start(context);
    // The delays only spread where it is hit; whatever is hit must be recovered from.
    for (const delay of [0, 25, 50, 75, 100, 150, 250]) {
      const storage = join(guide.directory, `bot-${delay}`);
      const destination = join(guide.directory, `machine-id-${delay}`);
      await guide.writeBotFile({ storage, destination });
      await killAfter(delay, program("tbot"), ["start", "-c", "tbot.yaml"], guide.directory);
      const { code, stderr } = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
      assert.equal(code, 0, `killed after ${delay} ms: ${stderr}`);
      const list = ["-i", join(destination, "identity"), "--proxy", guide.cluster.proxy];
      assert.equal((await guide.run("tsh", "mcp", "ls", ...list)).code, 0);
    }
  },
  { proves: ["fault.tbot"] },
);

test(
  "tbot is killed at random while it renews: its files are always whole, and no hand is needed",
  async (context) => {
    await playKills(context, 5);
  },
  { proves: ["fault.tbot"] },
);

test(
  "tbot is killed while it runs: its identity works on, and it can start again",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.writeBotFile();
    const tbot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], { cwd: guide.directory });
    const list = ["mcp", "ls", "-i", guide.identity, "--proxy", guide.cluster.proxy];
    await tbot.until(
      async () => (await guide.run("tsh", ...list)).code === 0,
      "it had written the identity",
    );
    await tbot.kill();
    assert.equal((await guide.run("tsh", ...list)).code, 0);
    const again = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
    assert.equal(again.code, 0, again.stderr);
  },
  { proves: ["fault.tbot"] },
);

test(
  "tctl is killed at any moment: what it was told is whole or absent, and all goes on",
  async (context) => {
    const guide = await Guide.start(context);
    for (const delay of [0, 20, 40, 60, 90]) {
      const name = `bot-${delay}`;
      const add = ["-c", "teleport.yaml", "bots", "add", name, "--roles", "example-role"];
      await killAfter(delay, program("tctl"), add, guide.directory);
      const bots = await guide.tctl("bots", "ls");
      const there = new RegExp(`^${name} .*$`, "m").exec(bots)?.[0];
      if (there !== undefined) assert.match(there, /example-role/);
      else await guide.tctl("bots", "add", name, "--roles", "example-role");
    }
  },
  { proves: ["fault.tctl"] },
);

/** Starts a program, and ends it as a crash would after some milliseconds. */
async function killAfter(
  delay: number,
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), delay);
  await within(ended, `the end of ${command}`);
  clearTimeout(timer);
}
