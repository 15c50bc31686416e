// Sessions that end in every way there is, on the compiled programs, and what is left of them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { currentUser, eventually, GUIDE_ROLE, program, within } from "./cluster_process.ts";
import { Guide } from "./guide.ts";
import { Cutter } from "./cutter.ts";
import type { TestContext } from "./harness.ts";

const SERVER = fileURLToPath(new URL("./leaky_server.sh", import.meta.url));
const MODES = ["plain", "fork", "daemon", "stubborn", "exit", "crash"] as const;
type Mode = typeof MODES[number];

const LONG = "x".repeat(1_000_000);

/** What happens to one session of a batch. */
const SINGLE = [
  { how: "client closes stdin", mode: "plain" },
  { how: "client closes stdin", mode: "fork" },
  { how: "client closes stdin", mode: "daemon" },
  { how: "client closes stdin", mode: "stubborn" },
  { how: "bridge is killed", mode: "plain" },
  { how: "bridge is killed", mode: "daemon" },
  { how: "bridge is killed", mode: "stubborn" },
  { how: "bridge is stopped", mode: "fork" },
  { how: "server exits", mode: "exit" },
  { how: "server crashes", mode: "crash" },
  { how: "connection is cut within a message", mode: "plain" },
] as const satisfies readonly { how: string; mode: Mode }[];

/** What a bridge would make up for, so that the session would not end. */
const REPLACED: ReadonlySet<string> = new Set([
  "server exits",
  "server crashes",
  "connection is cut within a message",
  "certificate expires",
]);

/** What happens to all the others of a batch at once, in turn. */
const TOGETHER = [
  "bot is locked",
  "role is lost",
  "agent is stopped",
  "agent is killed",
  "certificate expires",
] as const;
const OTHERS: readonly Mode[] = ["plain", "plain", "fork", "daemon", "stubborn", "plain"];

export interface LeakReport {
  readonly sessions: number;
  /** Sessions by what ended them. */
  readonly ends: Readonly<Record<string, number>>;
  /** Milliseconds that the slowest batch took until nothing of it was left. */
  readonly slowest: number;
}

export interface LeakOptions {
  readonly say?: (line: string) => void;
  /** The life of the certificates that expire; all sessions of a batch are opened in less. */
  readonly expiry?: string;
}

/** Plays at least this many sessions, seventeen at a time; throws when anything of a batch stays. */
export async function playLeaks(
  context: TestContext,
  sessions: number,
  { say = () => {}, expiry = "6s" }: LeakOptions = {},
): Promise<LeakReport> {
  const run = randomUUID();
  const guide = await Guide.start(context, {
    command: ["/bin/sh", SERVER, "plain"],
    // A session whose bridge was killed waits for it, so that long.
    sections: MODES.map((mode) => appLines(mode, run)).join("") +
      "  limits: {unreached_timeout: 1s}\n",
  });
  await guide.join();
  guide.write("nothing.yaml", GUIDE_ROLE.replace("example-role", "nothing").replace("dev", "none"));
  guide.write(
    "short.yaml",
    GUIDE_ROLE.replace("spec:", `spec:\n  options: {max_session_ttl: ${expiry}}`),
  );
  await guide.tctl("create", "nothing.yaml");
  const cutter = await Cutter.open(context, guide.cluster.proxy);
  const ends: Record<string, number> = {};
  let [played, slowest] = [0, 0];
  for (let batch = 0; played < sessions; batch++) {
    const together = TOGETHER[batch % TOGETHER.length]!;
    const undo = await prepare(guide, together);
    const modes = [...SINGLE.map(({ mode }) => mode), ...OTHERS];
    cutter.heal();
    const peers = await Promise.all(modes.map((mode, index) => {
      const how = SINGLE[index]?.how ?? together;
      const cut = how === "connection is cut within a message";
      const proxy = cut ? cutter.address : guide.cluster.proxy;
      return open(context, guide, { app: mode, proxy, strict: REPLACED.has(how) });
    }));
    assert.ok(marked(run).length >= modes.length, "the servers are there to be counted");
    const singles = SINGLE.map(({ how }, index) => endOne(peers[index]!, how, cutter));
    // The cut is the last of them, and is made before anything else can end its session.
    await singles.at(-1);
    await end(guide, together);
    const began = Date.now();
    await eventually(() => marked(run).length === 0, `nothing is left of the batch (${together})`);
    slowest = Math.max(slowest, Date.now() - began);
    await Promise.all(singles);
    for (const peer of peers) peer.kill();
    await Promise.all(peers.map(({ exit }) => exit));
    await undo(guide);
    for (const { how } of SINGLE) ends[how] = (ends[how] ?? 0) + 1;
    ends[together] = (ends[together] ?? 0) + OTHERS.length;
    played += modes.length;
    say(`${played} sessions, nothing left; last: ${together}`);
  }
  return { sessions: played, ends, slowest };
}

function appLines(mode: Mode, run: string): string {
  return `    - name: ${mode}
      labels:
        env: dev
      mcp:
        command: /bin/sh
        args: [${JSON.stringify(SERVER)}, ${mode}]
        run_as_host_user: ${currentUser()}
        env:
          LEAK_RUN: ${JSON.stringify(run)}
`;
}

/** A session whose server has answered. */
async function open(
  context: TestContext,
  guide: Guide,
  { app, proxy, strict }: { app: Mode; proxy: string; strict: boolean },
): Promise<StdioPeer> {
  const line = [...guide.connectLine({ app, proxy }), ...strict ? ["--no-auto-reconnect"] : []];
  const peer = new StdioPeer([program("tsh"), ...line], { cwd: guide.directory });
  context.cleanup(() => peer.kill());
  peer.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  await peer.until(
    () => peer.lines.some((line) => line.includes('"id":1,"result"')),
    `an answer of ${app}`,
  );
  return peer;
}

async function endOne(
  peer: StdioPeer,
  how: typeof SINGLE[number]["how"],
  cutter: Cutter,
): Promise<void> {
  switch (how) {
    case "connection is cut within a message":
      peer.send(`{"jsonrpc":"2.0","id":2,"method":"ping","params":{"x":"${LONG}"}}`);
      return await within(cutter.cutAfter(100_000), "the cut");
    case "client closes stdin":
      return void await peer.close();
    case "bridge is killed":
      return void process.kill(peer.pid, "SIGKILL");
    case "bridge is stopped":
      return void process.kill(peer.pid, "SIGTERM");
    case "server exits":
    case "server crashes":
      peer.write('{"jsonrpc":"2.0","id":2,"method":"ping"}\n');
  }
}

/** Makes ready for an end; what is returned makes the next batch possible. */
async function prepare(
  guide: Guide,
  how: typeof TOGETHER[number],
): Promise<(guide: Guide) => Promise<unknown>> {
  switch (how) {
    case "bot is locked":
      return async () => {
        const [lock] = JSON.parse(await guide.tctl("get", "locks", "--format=json"));
        return await guide.tctl("rm", `lock/${lock.metadata.name}`);
      };
    case "role is lost":
      return () => guide.tctl("bots", "update", "example", "--set-roles", "example-role");
    case "certificate expires":
      await guide.tctl("create", "-f", "short.yaml");
      return () => guide.tctl("create", "-f", "role.yaml");
    case "agent is stopped":
    case "agent is killed":
      return () => guide.cluster.start();
  }
}

async function end(guide: Guide, how: typeof TOGETHER[number]): Promise<void> {
  switch (how) {
    case "bot is locked":
      return void await guide.tctl("lock", "--bot", "example");
    case "role is lost":
      return void await guide.tctl("bots", "update", "example", "--set-roles", "nothing");
    case "agent is stopped":
      return void await guide.cluster.agent.stop();
    case "agent is killed":
      return void await guide.cluster.agent.kill();
    case "certificate expires":
  }
}

/** Processes that carry this run's mark in their environment: servers and what they have started. */
export function marked(run: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`LEAK_RUN=${run}\0`);
    } catch {
      return false;
    }
  });
}
