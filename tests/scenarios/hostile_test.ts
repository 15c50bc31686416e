// Slow and hostile peers at the compiled programs: what one session does costs bounded memory, and
// another session on the same agent is served all the while.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { currentUser, eventually, nodePath, program } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import type { TestContext } from "../support/harness.ts";
import { scenario as test } from "../support/scenario.ts";
import { marked } from "../support/leaks.ts";

const SERVER = fileURLToPath(new URL("../support/hostile_server.mjs", import.meta.url));
const MB = 1024 * 1024;

/**
 * Bytes that a program may grow by in one case, garbage not yet collected included. What one slow
 * reader's server sends, and the one line, are larger: 512 MB each.
 */
const GROWTH = 384 * MB;
const FLOOD = { count: 8_000, size: 64 * 1024 };
const LINE_MB = 512;

/** Bytes that it may grow by while all of the flood waits for the reader. */
const WAITING = 192 * MB;

/** What a server may take. */
const SERVER_MEMORY = 512 * MB;

/** Requests that one session may have in flight. */
const IN_FLIGHT = 10_000;

const options = {
  proves: ["fault.hostile"],
  skip: process.platform !== "linux" && "reads /proc",
} as const;

/** A running agent with one well-behaved session, beside which others misbehave. */
class Stage {
  readonly #context: TestContext;
  readonly #guide: Guide;
  readonly #run: string;
  readonly #neighbour: StdioPeer;
  readonly #before: number;
  #calls = 0;

  private constructor(context: TestContext, guide: Guide, run: string) {
    this.#context = context;
    this.#guide = guide;
    this.#run = run;
    this.#neighbour = this.open();
    this.#before = memory(guide.cluster.agent.pid);
  }

  static async set(context: TestContext): Promise<Stage> {
    const run = randomUUID();
    const sections = `    - name: hostile
      labels:
        env: dev
      mcp:
        command: ${JSON.stringify(nodePath())}
        args: [${JSON.stringify(SERVER)}]
        run_as_host_user: ${currentUser()}
        env:
          LEAK_RUN: ${JSON.stringify(run)}
      limits:
        server_memory_mib: ${SERVER_MEMORY / MB}
    - name: deaf
      labels:
        env: dev
      mcp:
        command: /bin/sleep
        args: ["1000"]
        run_as_host_user: ${currentUser()}
  # Bridges are killed at the end, and none of them comes back.
  limits: {unreached_timeout: 1s}
`;
    const guide = await Guide.start(context, { sections });
    await guide.join();
    const stage = new Stage(context, guide, run);
    await stage.serves(100);
    return stage;
  }

  get directory(): string {
    return this.#guide.directory;
  }

  /** The command line of the bridge. */
  get bridge(): string[] {
    return [program("tsh"), ...this.#guide.connectLine({ app: "hostile" })];
  }

  /** The same for a server that reads nothing. */
  get deafBridge(): string[] {
    return [program("tsh"), ...this.#guide.connectLine({ app: "deaf" })];
  }

  open(command: readonly string[] = this.bridge): StdioPeer {
    const peer = new StdioPeer(command, { cwd: this.directory });
    this.#context.cleanup(() => peer.kill());
    return peer;
  }

  /** The other session has this many calls answered. */
  async serves(calls = 1_000): Promise<void> {
    const ids = Array.from({ length: calls }, () => `n${this.#calls++}`);
    for (const id of ids) this.#neighbour.send(callLine(id, "any"));
    const last = ids.at(-1)!;
    await answered(this.#neighbour, last);
    const seen = new Set(this.#neighbour.lines.splice(0).map((line) => JSON.parse(`${line}`).id));
    assert.ok(ids.every((id) => seen.has(id)), "each call of the other session is answered");
  }

  /** The agent has not grown by more than this at any moment. */
  staysWithin(bytes: number): void {
    const grown = memory(this.#guide.cluster.agent.pid) - this.#before;
    assert.ok(grown < bytes, `the agent grew by ${(grown / MB).toFixed(0)} MB`);
  }

  /** Everybody leaves: the agent has stayed within its bound, and no server is left. */
  async clear(...peers: StdioPeer[]): Promise<void> {
    await this.serves();
    this.staysWithin(GROWTH);
    for (const peer of [...peers, this.#neighbour]) peer.kill();
    await eventually(() => marked(this.#run).length === 0, "no server is left");
  }
}

/** Resident bytes at the most so far. */
function memory(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

function callLine(id: string | number, name: string, args: object = {}): string {
  const params = { name, arguments: args, _meta: { progressToken: "p" } };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
}

interface Answer {
  readonly result?: { readonly content: readonly { readonly text: string }[] };
  readonly error?: { readonly code: number; readonly message: string };
}

/** The answer to a request. */
function answered(peer: StdioPeer, id: string | number): Promise<Answer> {
  const mark = `"id":${JSON.stringify(id)},`;
  return peer.until(() => {
    const line = peer.lines.findLast((each) => each.includes(mark));
    return line && JSON.parse(`${line}`);
  }, `an answer to ${id}`);
}

test("a client that does not read is waited for, while its server floods", async (context) => {
  const stage = await Stage.set(context);
  const gate = join(stage.directory, "gate");
  execFileSync("mkfifo", [gate]);
  // Nothing reads the bridge's output until somebody opens the gate.
  const script = 'gate=$1; shift; "$@" | { read -r go < "$gate"; wc -l; }';
  const peer = stage.open(["/bin/sh", "-c", script, "sh", gate, ...stage.bridge]);
  peer.send(callLine(1, "flood", FLOOD));
  for (let round = 0; round < 5; round++) await stage.serves();
  stage.staysWithin(WAITING);
  writeFileSync(gate, "go\n");
  await peer.close();
  assert.equal(Number(`${peer.lines[0]}`), FLOOD.count + 1, "every line came");
  await stage.clear(peer);
}, options);

test("a server that does not read is waited for, and its client with it", async (context) => {
  const stage = await Stage.set(context);
  const peer = stage.open(stage.deafBridge);
  const blob = "x".repeat(MB);
  for (let id = 0; id < 400; id++) peer.send(callLine(id, "any", { blob }));
  for (let round = 0; round < 5; round++) await stage.serves();
  stage.staysWithin(WAITING);
  await stage.clear(peer);
}, options);

test("a server that floods a client which reads has each line delivered", async (context) => {
  const stage = await Stage.set(context);
  const peer = stage.open();
  peer.send(callLine(1, "flood", { count: 50_000, size: 100 }));
  await stage.serves();
  await answered(peer, 1);
  assert.equal(peer.lines.length, 50_001);
  await stage.clear(peer);
}, options);

test(
  "a server that stalls within a line, is silent, answers what nobody asked or does not leave",
  async (context) => {
    const stage = await Stage.set(context);
    const [half, silent, strange] = [stage.open(), stage.open(), stage.open()];
    for (const peer of [half, silent]) {
      peer.send(callLine(0, "stubborn"));
      await answered(peer, 0);
    }
    half.send(callLine(1, "half"));
    silent.send(callLine(1, "hold"));
    strange.send(callLine(1, "strange", { count: 2_000 }));
    await answered(strange, 1);
    assert.equal(strange.lines.length, 1, "only what was asked is answered");
    await stage.serves();
    assert.deepEqual([half.lines.length, silent.lines.length], [1, 1], "nothing but the first");
    await stage.clear(half, silent, strange);
  },
  options,
);

test(
  "10,000 requests are in flight; more are refused, and none of them is lost",
  async (context) => {
    const stage = await Stage.set(context);
    const peer = stage.open();
    const ids = Array.from({ length: IN_FLIGHT + 50 }, (_, id) => id);
    for (const id of ids) peer.send(callLine(id, "hold"));
    await peer.until(() => peer.lines.length >= 50, "refusals");
    const refused = peer.lines.splice(0).map((line) => JSON.parse(`${line}`));
    assert.deepEqual(refused.map(({ id }) => id), ids.slice(IN_FLIGHT));
    for (const { error } of refused) assert.equal(error.message, "Too many requests are in flight");
    await stage.serves();
    peer.send('{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}');
    await peer.until(() => peer.lines.length >= IN_FLIGHT, "all the answers");
    const done = peer.lines.map((line) => JSON.parse(`${line}`));
    assert.deepEqual(done.map(({ id }) => id).sort((a, b) => a - b), ids.slice(0, IN_FLIGHT));
    assert.ok(done.every(({ result }) => result.content[0].text === "done"));
    await stage.clear(peer);
  },
  options,
);

test("a server that eats memory is ended, and its client is told why", async (context) => {
  const stage = await Stage.set(context);
  const peer = stage.open();
  peer.send(callLine(1, "eat", { count: 2 * SERVER_MEMORY / MB, size: MB }));
  const { error } = await answered(peer, 1);
  assert.match(error?.message ?? "", /MiB of memory, more than it may \(server_memory\)/);
  await stage.clear(peer);
}, options);

test("a line of 512 MB is refused by its id, and kept in neither program", async (context) => {
  const stage = await Stage.set(context);
  const peer = stage.open();
  peer.send(callLine(1, "any"));
  await answered(peer, 1);
  const before = memory(peer.pid);
  peer.write('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"');
  const piece = Buffer.alloc(MB, "x");
  for (let i = 0; i < LINE_MB; i++) peer.write(piece);
  await stage.serves();
  peer.send('"}}');
  const { error } = await answered(peer, 2);
  assert.equal(error?.code, -32600);
  assert.match(error.message, /too large/);
  peer.send(callLine(3, "any"));
  assert.equal((await answered(peer, 3)).result?.content[0]?.text, "done");
  const grown = memory(peer.pid) - before;
  assert.ok(grown < GROWTH, `the bridge grew by ${(grown / MB).toFixed(0)} MB`);
  await stage.clear(peer);
}, options);
