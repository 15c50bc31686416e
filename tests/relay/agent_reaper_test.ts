import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { PassThrough } from "node:stream";
import { runReaper } from "../../relay/agent/mod.ts";
import { groupOf, signalGroup } from "../../relay/agent/upstream/process_group.ts";
import { test } from "../support/harness.ts";

const HOST = new URL("../support/agent_host.ts", import.meta.url).pathname;
const RUN = "Bun" in globalThis
  ? [process.execPath, HOST]
  : [process.execPath, "run", "-A", "--no-check", HOST];

function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Processes started from our host script with this word at the end. */
function processes(word: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return args.includes(HOST) && args.at(-2) === word && alive(pid);
    } catch {
      return false;
    }
  });
}

const linux = process.platform === "linux" ? false : "looks into /proc";

test(
  "kill -9 of an agent leaves no server behind, not even a stubborn one",
  async ({ cleanup }) => {
    const others = new Set(processes("reaper"));
    const host = spawn(RUN[0]!, [...RUN.slice(1), "host", ...RUN], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    cleanup(() => host.kill("SIGKILL"));
    const gone = new Promise((resolve) => host.once("close", resolve));
    const line = await new Promise<string>((resolve) => {
      let text = "";
      host.stdout!.on("data", (chunk: Buffer) => {
        text += chunk;
        if (text.includes("\n")) resolve(text);
      });
    });
    const { pids } = JSON.parse(line).params.data;
    const reaper = processes("reaper").find((pid) => !others.has(pid))!;
    assert.ok(reaper);
    assert.deepEqual(pids.map(alive), [true, true]);
    host.kill("SIGKILL");
    await gone;
    while ([...pids, reaper].some(alive)) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  { skip: linux },
);

test("the reaper ends the groups that it still knows of, and only those", async ({ cleanup }) => {
  const [kept, left] = [1, 2].map(() => {
    const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    cleanup(() => child.kill("SIGKILL"));
    return { child, exit: new Promise((resolve) => child.once("exit", resolve)) };
  });
  const pipe = new PassThrough();
  const done = runReaper(pipe);
  const [keptGroup, leftGroup] = [groupOf(kept!.child.pid!), groupOf(left!.child.pid!)];
  pipe.write(`+ ${keptGroup.leader} ${keptGroup.started}\n+ ${leftGroup.leader} `);
  pipe.write(`${leftGroup.started}\n- ${keptGroup.leader}\n+ 0 0\n+ -1 0\ngarbage\n`);
  pipe.end();
  await done;
  await left!.exit;
  assert.equal(alive(keptGroup.leader), true);
  kept!.child.kill("SIGKILL");
  await kept!.exit;
});

test(
  "a process group is not signalled when its number belongs to another by now",
  async ({ cleanup }) => {
    const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    cleanup(() => child.kill("SIGKILL"));
    const exit = new Promise((resolve) => child.once("exit", resolve));
    const group = groupOf(child.pid!);
    assert.equal(signalGroup({ ...group, started: "12345" }, "SIGKILL"), false);
    assert.equal(alive(group.leader), true);
    assert.equal(signalGroup(group, "SIGKILL"), true);
    await exit;
    assert.equal(signalGroup(group, 0), false);
  },
  { skip: linux },
);
