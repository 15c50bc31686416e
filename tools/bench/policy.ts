// What one decision costs, against other engines and against the original's way in Go.
// `bun tools/bench/policy.ts [rounds]` prints nanoseconds a decision: medians of interleaved rounds,
// one process for each engine and round, with the verdicts of all engines compared.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ENGINES } from "./_policy_engines.ts";
import type { Ask } from "./_policy_engines.ts";
import type { Workload } from "./_policy_workload.ts";
import { ASKS, toolName, workload } from "./_policy_workload.ts";

/** The ways of Go: with the original's cache, and with every expression kept. */
const GO_MODES = { "go, LRU(2000)": "lru", "go, precompiled": "precompiled" } as const;
const ROUND_MS = 300;

interface Scenario {
  readonly title: string;
  readonly roles: number;
  readonly kind: "warm" | "distinct" | "list" | "cold";
  readonly engines: readonly string[];
}

const ALL = [...Object.keys(ENGINES), ...Object.keys(GO_MODES)];
const COMPILED = ["postern", ...Object.keys(GO_MODES)];

const SCENARIOS: readonly Scenario[] = [
  { title: "one decision, 5 roles, names seen before", roles: 5, kind: "warm", engines: ALL },
  { title: "one decision, 5 roles, every name new", roles: 5, kind: "distinct", engines: ALL },
  { title: "tools/list of 1,000, 5 roles, for each tool", roles: 5, kind: "list", engines: ALL },
  { title: "one decision, 100 roles, names seen before", roles: 100, kind: "warm", engines: ALL },
  { title: "one decision, 1,000 roles", roles: 1000, kind: "warm", engines: COMPILED },
  { title: "first 10,000 asks, 1,000 roles", roles: 1000, kind: "cold", engines: ["postern"] },
];

interface Measured {
  readonly nanos: number;
  /** A digit for each ask of the workload. */
  readonly verdicts: string;
}

/** Nanoseconds a decision by scenario and engine: the median of the rounds. */
export type PolicyFigures = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Runs all scenarios and prints a table; throws if two engines disagree about a verdict. */
// deno-lint-ignore require-await -- the other benchmarks wait for processes of their own
export async function benchPolicy(
  { rounds = 7, print = printLine }: { rounds?: number; print?: (line: string) => void } = {},
): Promise<PolicyFigures> {
  const go = buildGo();
  try {
    const figures: Record<string, Record<string, number>> = {};
    for (const scenario of SCENARIOS) {
      const medians = run(scenario, rounds, go?.binary);
      figures[scenario.title] = medians;
      print(`\n${scenario.title}, ns (${rounds} rounds)`);
      const ours = medians["postern"]!;
      for (const [engine, nanos] of Object.entries(medians).sort((a, b) => a[1] - b[1])) {
        const ratio = engine === "postern" ? "" : `${(nanos / ours).toFixed(1)}×`;
        print(`  ${engine.padEnd(18)}${nanos.toFixed(0).padStart(12)}  ${ratio}`);
      }
    }
    if (!go) print("\nGo is not on the PATH: the original's way was not measured");
    return figures;
  } finally {
    go?.remove();
  }
}

function run(scenario: Scenario, rounds: number, go: string | undefined): Record<string, number> {
  const load = workload(scenario.roles);
  const engines = scenario.engines.filter((engine) => go !== undefined || !(engine in GO_MODES));
  const times: Record<string, number[]> = {};
  let expected: string | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const engine of engines) {
      const measured = engine in GO_MODES
        ? runGo(go!, GO_MODES[engine as keyof typeof GO_MODES], scenario, load)
        : runSelf(engine, scenario);
      expected ??= measured.verdicts;
      if (measured.verdicts !== expected) {
        throw new Error(`${engine} does not agree with ${engines[0]} in "${scenario.title}"`);
      }
      (times[engine] ??= []).push(measured.nanos);
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([engine, all]) => [
      engine,
      all.toSorted((a, b) => a - b)[all.length >> 1]!,
    ]),
  );
}

/** This file again, as a process that measures one engine once. */
function runSelf(engine: string, scenario: Scenario): Measured {
  const child = spawnSync(
    process.execPath,
    [
      ...(process.versions["deno"] === undefined ? [] : ["run", "--allow-all", "--no-check"]),
      fileURLToPath(import.meta.url),
      "--measure",
      engine,
      String(SCENARIOS.indexOf(scenario)),
    ],
    { encoding: "utf8", maxBuffer: 1 << 24 },
  );
  if (child.status !== 0) throw new Error(`${engine} failed: ${child.stderr}`);
  return JSON.parse(child.stdout) as Measured;
}

function runGo(binary: string, mode: string, scenario: Scenario, load: Workload): Measured {
  // Go has no memory of names, so new names and lists cost what any ask costs.
  const asks = load.asks.map(([app, tool]) => ({ App: app, Tool: tool }));
  const input = { mode, scenario: scenario.kind, millis: ROUND_MS, ...load, asks };
  const child = spawnSync(binary, {
    input: JSON.stringify(input),
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  if (child.status !== 0) throw new Error(`Go failed: ${child.stderr}`);
  return JSON.parse(child.stdout) as Measured;
}

function buildGo(): { binary: string; remove: () => void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), "postern-bench-"));
  const binary = join(folder, "bench");
  const source = fileURLToPath(new URL("./go", import.meta.url));
  const built = spawnSync("go", ["build", "-o", binary, "."], { cwd: source });
  const remove = () => rmSync(folder, { recursive: true, force: true });
  if (built.status === 0) return { binary, remove };
  remove();
  return undefined;
}

async function measure(engine: string, { roles, kind }: Scenario): Promise<Measured> {
  const load = workload(roles);
  const ask = await ENGINES[engine]!(load);
  const nanos = kind === "cold" ? timeCold(ask, roles) : undefined;
  const verdicts = load.asks.map(([app, tool]) => ask(app, tool) ? "1" : "0").join("");
  if (nanos !== undefined) return { nanos, verdicts };
  switch (kind) {
    case "list": {
      const tools = Array.from({ length: 1000 }, (_, i) => toolName(i, roles));
      return { nanos: timed((n) => ask(0, tools[n % 1000]!)), verdicts };
    }
    case "distinct":
      return { nanos: timed((n) => ask(n % 20, `${toolName(n, roles)}_${n}`)), verdicts };
    default:
      return {
        nanos: timed((n) => {
          const [app, tool] = load.asks[n % ASKS]!;
          return ask(app, tool);
        }),
        verdicts,
      };
  }
}

function timeCold(ask: Ask, roles: number): number {
  const count = 10_000;
  const start = performance.now();
  for (let n = 0; n < count; n++) ask((n * 37) % 200, toolName(n, roles));
  return (performance.now() - start) * 1e6 / count;
}

/** Nanoseconds a call, after a warm-up of the same length. */
function timed(call: (n: number) => boolean): number {
  let n = 0;
  let granted = 0;
  const forMillis = (millis: number) => {
    const start = performance.now();
    const first = n;
    do {
      for (let i = 0; i < 64; i++) if (call(n++)) granted++;
    } while (performance.now() - start < millis);
    return (performance.now() - start) * 1e6 / (n - first);
  };
  forMillis(ROUND_MS / 2);
  const nanos = forMillis(ROUND_MS);
  if (granted > n) throw new Error("unreachable"); // Keeps the calls from being optimised away.
  return nanos;
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) {
  const [first, engine, scenario] = process.argv.slice(2);
  if (first === "--measure") {
    printLine(JSON.stringify(await measure(engine!, SCENARIOS[Number(scenario)]!)));
  } else await benchPolicy(first === undefined ? {} : { rounds: Number(first) });
}
