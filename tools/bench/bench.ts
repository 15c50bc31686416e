/**
 * What Postern costs, beside doing without it: start-up, the first answer, the round trip, many
 * calls at once, a large message; before, what a decision costs (`policy.ts`). Rounds are interleaved,
 * figures are medians, and what counts is the ratio. `--quick` measures fewer of each, `--only path`
 * and `--only policy` one of the two.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  botFile,
  ClusterProcess,
  GUIDE_ROLE,
  pinIn,
  program,
  type ProgramName,
  runProgram,
  tokenIn,
} from "../../tests/support/cluster_process.ts";
import { StdioClient } from "./_stdio_client.ts";
import { benchPolicy } from "./policy.ts";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string" } },
});
const { quick, only } = options;
const ROUNDS = quick ? 3 : 9;
const CALLS = quick ? 100 : 300;
const IN_FLIGHT = 128;
const ECHO = [process.execPath, fileURLToPath(new URL("./_echo_server.mjs", import.meta.url))];
const ONE_KB = "x".repeat(1000);
const TEN_MB = "x".repeat(10_000_000);

/** Figures of one row, by column. */
type Samples = Record<string, number[]>;

if (only !== "path") benchPolicy({ quick, print });
if (only === "policy") process.exit();

const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
const cluster = await ClusterProcess.create(directory, { command: [ECHO[0]!, ECHO[1]!] });
try {
  const bridge = await prepare();
  print(`Medians of ${ROUNDS} interleaved rounds\n`);
  print(row(["", "", "without", "ratio"]));
  await startUp();
  await path(bridge);
} finally {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** A cluster with an identity; the command line of the bridge. */
async function prepare(): Promise<string[]> {
  await cluster.start();
  const run = async (name: ProgramName, ...args: string[]) => {
    const { code, stdout, stderr } = await runProgram(name, args, { cwd: directory });
    if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}:\n${stderr}`);
    return stdout;
  };
  writeFileSync(join(directory, "role.yaml"), GUIDE_ROLE);
  await run("tctl", "-c", "teleport.yaml", "create", "-f", "role.yaml");
  const pin = pinIn(await run("tctl", "-c", "teleport.yaml", "status"));
  const token = tokenIn(
    await run("tctl", "-c", "teleport.yaml", "bots", "add", "bench", "--roles", "example-role"),
  );
  const files = { storage: join(directory, "bot"), destination: join(directory, "machine-id") };
  writeFileSync(
    join(directory, "tbot.yaml"),
    botFile({ proxy: cluster.proxy, token, pin, ...files }),
  );
  await run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
  const identity = join(files.destination, "identity");
  const line = ["mcp", "connect", "-i", identity, "--proxy", cluster.proxy, "my-mcp-server"];
  return [program("tsh"), ...line];
}

/** Each program's start, beside a compiled program that does nothing. */
async function startUp(): Promise<void> {
  const empty = join(directory, "empty");
  writeFileSync(`${empty}.ts`, "export {};\n");
  const flags = ["build", "--compile", "--minify", "--bytecode", "--format=esm"];
  const built = spawnSync(process.execPath, [...flags, `${empty}.ts`, `--outfile=${empty}`]);
  if (built.status !== 0) throw new Error("the empty program cannot be compiled");
  const start = (command: string, ...args: string[]) =>
    timed(() => void spawnSync(command, args, { cwd: directory, stdio: "ignore" }));
  const names = ["tbot", "tsh", "tctl", "app-agent"] as const;
  const samples: Samples = {};
  for (let round = 0; round < ROUNDS * 2; round++) {
    add(samples, "empty", await start(empty));
    for (const name of names) add(samples, name, await start(program(name), "version"));
  }
  for (const name of names) report(`start of ${name}`, "ms", samples, name, "empty");
}

/** The whole path, beside a client that starts the server itself. */
async function path(bridge: readonly string[]): Promise<void> {
  const ways = { postern: bridge, direct: ECHO };
  const rows: Record<"first" | "trip" | "rate" | "large", Samples> = {
    first: {},
    trip: {},
    rate: {},
    large: {},
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, command] of Object.entries(ways)) {
      let client: StdioClient | undefined;
      add(
        rows.first,
        way,
        await timed(async () => {
          client = new StdioClient(command, directory);
          await client.initialize();
        }),
      );
      if (!client) throw new Error("unreachable");
      for (let call = 0; call < CALLS / 3; call++) await client.call(ONE_KB);
      const trips: number[] = [];
      for (let call = 0; call < CALLS; call++) {
        trips.push(await timed(() => client!.call(ONE_KB)));
      }
      add(rows.trip, way, median(trips));
      add(rows.rate, way, await rate(client, CALLS * 20));
      add(rows.large, way, await timed(() => client!.call(TEN_MB)));
      await client.close();
    }
  }
  report("first answer", "ms", rows.first);
  report("round trip of 1 kB, p50", "ms", rows.trip);
  report(`calls at ${IN_FLIGHT} in flight`, "/s", rows.rate);
  report("message of 10 MB and back", "ms", rows.large);
}

/** Calls a second, with so many in flight. */
async function rate(client: StdioClient, calls: number): Promise<number> {
  let left = calls;
  const worker = async () => {
    while (left-- > 0) await client.call(ONE_KB);
  };
  const ms = await timed(() => Promise.all(Array.from({ length: IN_FLIGHT }, worker)));
  return calls / ms * 1000;
}

function report(
  title: string,
  unit: string,
  samples: Samples,
  ours = "postern",
  theirs = "direct",
): void {
  const [a, b] = [median(samples[ours] ?? []), median(samples[theirs] ?? [])];
  print(row([title, `${shown(a)} ${unit}`, `${shown(b)} ${unit}`, `${(a / b).toFixed(2)}×`]));
}

function row([title = "", ...cells]: readonly string[]): string {
  return title.padEnd(36) + cells.map((cell) => cell.padStart(14)).join("");
}

function shown(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

async function timed(body: () => unknown): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

function add(samples: Samples, column: string, value: number): void {
  (samples[column] ??= []).push(value);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}

function print(line: string): void {
  process.stdout.write(`${line.trimEnd()}\n`);
}
