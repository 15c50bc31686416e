import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Log, silentLog } from "../../identity/mod.ts";
import { RelayError } from "../../relay/error.ts";
import { serverEnvironment } from "../../relay/agent/upstream/environment.ts";
import { findHostUser } from "../../relay/agent/upstream/host_user.ts";
import { startStdioServer, type StdioOptions } from "../../relay/agent/upstream/stdio.ts";
import { test } from "../support/harness.ts";
import { app, fixtureApp } from "../support/relay_cluster.ts";

/** A started server and what it has said. */
async function start(options: Partial<StdioOptions> & Pick<StdioOptions, "app">) {
  const heard: string[] = [];
  const exit = Promise.withResolvers<RelayError>();
  let wake = () => {};
  const server = await startStdioServer({ log: silentLog, ...options }, {
    onMessage: (line) => {
      heard.push(line.toString());
      wake();
    },
    onOversized: ({ bytes }) => {
      heard.push(`oversized ${bytes}`);
      wake();
    },
    onExit: exit.resolve,
  });
  const next = async () => {
    while (heard.length === 0) await new Promise<void>((resolve) => wake = resolve);
    return heard.shift()!;
  };
  return { server, next, exit: exit.promise };
}

const call = (name: string, args: object) =>
  Buffer.from(
    JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: args },
    }),
  );

/** Whether a process is there and not just waiting to be collected. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a server that cannot be found fails at once, by the name of its command", async () => {
  await assert.rejects(start({ app: app("ghost", "no-such-command", []) }), (error) => {
    assert.ok(error instanceof RelayError);
    assert.equal(error.code, "SERVER_START_FAILED");
    assert.equal(
      error.message,
      'Cannot start MCP server "ghost": "no-such-command": command not found',
    );
    return true;
  });
});

test("a server that exits says how", async () => {
  const { exit } = await start({ app: fixtureApp("short", "exit", "3") });
  const error = await exit;
  assert.equal(error.code, "SERVER_EXITED");
  assert.equal(error.message, 'MCP server "short" ("node") exited with code 3');
  const killed = await start({ app: app("killed", "sh", ["-c", "kill -9 $$"]) });
  assert.equal(
    (await killed.exit).message,
    'MCP server "killed" ("sh") was ended by SIGKILL',
  );
});

test("what a server has written before its end still arrives", async () => {
  const { next, exit } = await start({
    app: app("last", "sh", ["-c", 'printf "one\\ntwo\\r\\n\\nthree"']),
  });
  await exit;
  assert.deepEqual([await next(), await next(), await next()], ["one", "two", "three"]);
});

test("ten megabytes travel to a server and back", async () => {
  const { server, next } = await start({ app: fixtureApp("big") });
  const text = "x".repeat(10 * 1024 * 1024);
  server.send(call("echo", { text }));
  const answer = JSON.parse(await next());
  assert.equal(answer.result.content[0].text, text);
  await server.close();
});

test("a server gets an allow-listed environment and nothing of the agent's own", async () => {
  process.env["POSTERN_TEST_SECRET"] = "secret";
  try {
    const { server, next } = await start({ app: fixtureApp("env") });
    server.send(call("env", {}));
    const { env } = JSON.parse(JSON.parse(await next()).result.content[0].text);
    await server.close();
    assert.equal(env.POSTERN_TEST_SECRET, undefined);
    assert.equal(env.PATH, process.env["PATH"]);
  } finally {
    delete process.env["POSTERN_TEST_SECRET"];
  }
});

test("serverEnvironment() gives another user's server that user's home", () => {
  const user = {
    name: "mcp",
    uid: 1,
    gid: 1,
    home: "/home/mcp",
    shell: "/bin/sh",
    hasMoreGroups: false,
  };
  const own = {
    HOME: "/home/someone",
    USER: "root",
    PATH: "/bin",
    LC_ALL: "C",
    TMPDIR: "/home/someone/t",
    K: "v",
  };
  assert.deepEqual(serverEnvironment(user, own), {
    PATH: "/bin",
    LC_ALL: "C",
    HOME: "/home/mcp",
    LOGNAME: "mcp",
    SHELL: "/bin/sh",
    USER: "mcp",
  });
  assert.deepEqual(serverEnvironment(undefined, own), {
    PATH: "/bin",
    LC_ALL: "C",
    HOME: "/home/someone",
    USER: "root",
    TMPDIR: "/home/someone/t",
  });
});

test("findHostUser() changes users as root only, and never guesses", () => {
  const passwd = "root:x:0:0::/root:/bin/bash\nmcp:x:1001:1002::/home/mcp:/bin/sh\n";
  const group = "docker:x:999:other,mcp\nmcp:x:1002:mcp\n";
  const asRoot = { passwd, group, uid: 0 };
  assert.equal(findHostUser("root", asRoot), undefined);
  assert.deepEqual(findHostUser("mcp", asRoot), {
    name: "mcp",
    uid: 1001,
    gid: 1002,
    home: "/home/mcp",
    shell: "/bin/sh",
    hasMoreGroups: true,
  });
  assert.equal(findHostUser("mcp", { ...asRoot, group: "mcp:x:1002:\n" })!.hasMoreGroups, false);
  assert.equal(findHostUser("mcp", { ...asRoot, uid: 1001 }), undefined);
  for (const [name, uid] of [["nobody", 0], ["", 0], ["mcp", 1000]] as const) {
    assert.throws(
      () => findHostUser(name, { passwd, group, uid }),
      (error: RelayError) => error.code === "CONFIG_INVALID" && error.hint !== undefined,
    );
  }
});

const asRoot = { skip: process.getuid?.() === 0 ? false : "only root may change users" } as const;
const PASSWD = readFileSync("/etc/passwd", "utf8");

// Users with more groups than their own are changed to by setpriv, the others by the runtime.
const ways = [["the runtime", ""], ["setpriv", "postern-test:x:4242:nobody\n"]] as const;

for (const [way, group] of ways) {
  test(`a server really runs as the user that it should, changed by ${way}`, async () => {
    const [, , uid, gid] = PASSWD.split("\n").find((line) => line.startsWith("nobody:"))!.split(
      ":",
    );
    // What the kernel says: real, effective, saved and file system ids, and every other group.
    const status = app("nobody", "grep", ["-E", "^(Uid|Gid|Groups):", "/proc/self/status"]);
    const mcp = { ...status.mcp!, runAsHostUser: "nobody" };
    const users = { passwd: PASSWD, group, uid: 0 };
    const { next, exit } = await start({ app: { ...status, mcp }, users });
    const ids = async () => (await next()).trim().split(/\s+/);
    assert.deepEqual(await ids(), ["Uid:", uid, uid, uid, uid]);
    assert.deepEqual(await ids(), ["Gid:", gid, gid, gid, gid]);
    const [, ...groups] = await ids();
    assert.deepEqual(groups.filter((other) => other !== gid), []);
    await exit;
  }, asRoot);
}

test("a command that does not exist is said before setpriv is asked", async () => {
  const ghost = app("ghost", "no-such-command", []);
  const mcp = { ...ghost.mcp!, runAsHostUser: "nobody" };
  const users = { passwd: PASSWD, group: ways[1][1], uid: 0 };
  await assert.rejects(
    start({ app: { ...ghost, mcp }, users }),
    (error: RelayError) =>
      error.code === "SERVER_START_FAILED" && /command not found/.test(error.message),
  );
});

test("stderr goes to the log, line by line, cut and without control characters", async () => {
  const lines: string[] = [];
  const log: Log = { ...silentLog, debug: (message) => void lines.push(message) };
  const script =
    `printf 'red \\033[31m\\r\\nplain\\n' >&2; head -c 9000 /dev/zero | tr '\\0' y >&2`;
  const { exit } = await start({ app: app("noisy", "sh", ["-c", script]), log });
  await exit;
  assert.equal(lines[0], "red \\u001b[31m");
  assert.equal(lines[1], "plain");
  assert.equal(lines[2], "y".repeat(4096) + "…");
});

test("closing ends a server that reads its stdin without a signal", async () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-"));
  try {
    const trap = `trap 'touch ${directory}/signalled' TERM; cat > /dev/null; exit 0`;
    const { server } = await start({
      app: app("polite", "sh", ["-c", trap]),
      grace: { term: 60_000, kill: 60_000 },
    });
    await server.close();
    assert.equal(existsSync(join(directory, "signalled")), false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("closing ends a server that ignores everything, and what it has started", async () => {
  const { server, next } = await start({
    app: fixtureApp("stubborn", "stubborn"),
    grace: { term: 5, kill: 5 },
  });
  const { params: { data: { pids } } } = JSON.parse(await next());
  assert.equal(pids.length, 2);
  assert.deepEqual(pids.map(alive), [true, true]);
  await server.close();
  while (pids.some(alive)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("what a server leaves behind when it exits by itself is ended too", async () => {
  const { next, exit } = await start({ app: app("parent", "sh", ["-c", "sleep 600 & echo $!"]) });
  const child = Number(await next());
  await exit;
  while (alive(child)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a line beyond the limit is skipped and told, and the next one arrives", async () => {
  const script = `head -c 16777217 /dev/zero | tr '\\0' z; echo; echo after`;
  const { next, exit } = await start({ app: app("loud", "sh", ["-c", script]) });
  assert.equal(await next(), "oversized 16777217");
  assert.equal(await next(), "after");
  await exit;
});

test("a line that has not ended is counted as held", async (context) => {
  const { server } = await start({
    app: app("half", "sh", ["-c", "printf 12345; exec sleep 600"]),
    grace: { term: 0, kill: 1000 },
  });
  context.cleanup(() => server.close());
  while (server.held === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(server.held, 5);
});
