// A server's children that left its process group, as daemons do.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { PassThrough } from "node:stream";
import { runReaper } from "../../relay/agent/mod.ts";
import { endMarked, MARK_VARIABLE } from "../../relay/agent/upstream/strays.ts";
import { test, type TestContext } from "../support/harness.ts";
import { connectRaw } from "../support/raw_bridge.ts";
import { app, startCluster } from "../support/relay_cluster.ts";

const linux = process.platform === "linux" ? false : "looks into /proc";

function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** A process of its own session with a mark, or without. */
function stray({ cleanup }: TestContext, mark?: string) {
  const env = { PATH: process.env["PATH"] ?? "", ...(mark && { [MARK_VARIABLE]: mark }) };
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore", env });
  const exit = new Promise((resolve) => child.once("exit", resolve));
  cleanup(() => {
    child.kill("SIGKILL");
    return exit;
  });
  return { pid: child.pid!, exit };
}

test(
  "endMarked() ends what carries the mark, wherever it is, and nothing else",
  async (context) => {
    const [one, other, without] = ["mark-1", "mark-11", undefined].map((mark) =>
      stray(context, mark)
    );
    await Promise.all([endMarked("mark-1"), endMarked("mark-2")]);
    await one!.exit;
    assert.equal(alive(other!.pid), true);
    assert.equal(alive(without!.pid), true);
  },
  { skip: linux },
);

test(
  "endMarked() has ended what carries its mark once it resolves, whoever asks meanwhile",
  async (context) => {
    const marks = ["mark-5", "mark-6", "mark-7", "mark-8"];
    const strays = marks.map((mark) => stray(context, mark));
    await Promise.all(marks.map(async (mark, n) => {
      await endMarked(mark);
      assert.equal(alive(strays[n]!.pid), false, mark);
    }));
    await Promise.all(strays.map(({ exit }) => exit));
  },
  { skip: linux },
);

test(
  "the reaper ends what carries the mark of a server that it still knows of",
  async (context) => {
    const [left, kept] = ["mark-3", "mark-4"].map((mark) => stray(context, mark));
    const pipe = new PassThrough();
    const done = runReaper(pipe);
    // Groups of processes that are gone: only the marks lead anywhere.
    pipe.write("+ 999998 1 mark-3\n+ 999999 1 mark-4\n- 999999\n");
    pipe.end();
    await done;
    await left!.exit;
    assert.equal(alive(kept!.pid), true);
  },
  { skip: linux },
);

test(
  "a daemon that a server has started ends with the session, also when it holds the pipes",
  async (context) => {
    const cluster = await startCluster();
    context.cleanup(() => cluster.close());
    // The daemon keeps stdin, stdout and stderr, and the server itself ends with its stdin.
    const script =
      'setsid sleep 600 & echo "{\\"jsonrpc\\":\\"2.0\\",\\"method\\":\\"notifications/message\\",' +
      '\\"params\\":{\\"data\\":\\"$!\\"}}"; cat > /dev/null';
    cluster.view.apps.set("fixture", app("fixture", "/bin/sh", ["-c", script]));
    const bridge = await connectRaw(cluster, await cluster.issue());
    bridge.hello();
    const { params } = await bridge.until(({ method }) => method === "notifications/message");
    const daemon = Number(params.data);
    assert.equal(alive(daemon), true);
    bridge.stream.destroy();
    await cluster.agent.close();
    assert.equal(alive(daemon), false);
  },
  { skip: linux },
);
