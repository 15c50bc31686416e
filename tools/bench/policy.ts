/**
 * What one decision costs, against other engines and against the original's way in Go; what
 * compiling costs; and what the hardest patterns cost. `bun tools/bench/policy.ts [--quick]`.
 * Rounds are interleaved, with one process for each engine and round; the verdicts of all engines
 * are compared; figures are medians, and what counts is the ratio within a round.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ENGINES, FLOOR } from "./_policy_engines.ts";
import { type Kind, measure, type Measured, ROUND_MS } from "./_policy_measure.ts";
import { type HardFigure, measurePatterns } from "./_policy_patterns.ts";
import { measureSize, type Size } from "./_policy_size.ts";
import { workload } from "./_policy_workload.ts";

/** The ways of Go: with the original's cache, and with every expression kept. */
const GO_MODES = { "go, LRU(2000)": "lru", "go, precompiled": "precompiled" } as const;
const GO = Object.keys(GO_MODES);
const OURS = "postern";

interface Scenario {
  readonly title: string;
  readonly roles: number;
  readonly kind: Kind;
  readonly engines: readonly string[];
}

const ALL = [...Object.keys(ENGINES), ...GO];
const WARM_5 = "one decision, 5 roles, names seen before";
const WARM_1000 = "one decision, 1,000 roles, names seen before";
const COLD_1000 = "the first 10,000 asks of 200 new policies, 1,000 roles";
const LIST = "tools/list of 1,000, 5 roles, for each tool";

const SCENARIOS: readonly Scenario[] = [
  { title: WARM_5, roles: 5, kind: "warm", engines: ALL },
  { title: "one decision, 5 roles, every name new", roles: 5, kind: "distinct", engines: ALL },
  { title: LIST, roles: 5, kind: "list", engines: ALL },
  { title: "one decision, 100 roles, names seen before", roles: 100, kind: "warm", engines: ALL },
  { title: WARM_1000, roles: 1000, kind: "warm", engines: [FLOOR, OURS, ...GO] },
  { title: COLD_1000, roles: 1000, kind: "cold", engines: [OURS] },
];

const SIZES = [1, 100, 1_000, 10_000];

/** A round's figures, by engine. */
type Rounds = Record<string, readonly Measured[]>;

export interface PolicyBenchOptions {
  /** Three rounds where there are seven otherwise. */
  readonly quick?: boolean;
  readonly print?: (line: string) => void;
}

/**
 * Runs everything and prints tables, at the end each target with what was met. Throws if two
 * engines disagree about a verdict.
 */
export function benchPolicy({ quick = false, print = printLine }: PolicyBenchOptions = {}): void {
  const rounds = quick ? 3 : 7;
  const go = buildGo();
  try {
    const figures = new Map<string, Rounds>();
    for (const scenario of SCENARIOS) {
      const measured = run(scenario, rounds, go?.binary);
      figures.set(scenario.title, measured);
      printScenario(scenario, measured, print);
    }
    if (!go) print("\nGo is not on the PATH: the original's way was not measured");
    printSizes(print);
    const hard = self<HardFigure[]>(["--patterns"]);
    printPatterns(hard, print);
    printTargets(figures, hard, print);
  } finally {
    go?.remove();
  }
}

function run({ roles, kind, engines, title }: Scenario, rounds: number, go?: string): Rounds {
  const load = workload(roles);
  const asks = load.asks.map(([app, tool]) => ({ App: app, Tool: tool }));
  // Go has no memory of names, so new names and lists cost what any ask costs.
  const input = { scenario: kind, millis: ROUND_MS, ...load, asks };
  const measured: Record<string, Measured[]> = {};
  let expected: string | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const engine of engines) {
      const mode = GO_MODES[engine as keyof typeof GO_MODES];
      if (mode && go === undefined) continue;
      const figure = mode
        ? json<Measured>(go!, [], JSON.stringify({ mode, ...input }))
        : self<Measured>(["--measure", engine, String(roles), kind]);
      if (engine !== FLOOR) expected ??= figure.verdicts;
      if (engine !== FLOOR && figure.verdicts !== expected) {
        throw new Error(`${engine} does not agree with ${OURS} in "${title}"`);
      }
      (measured[engine] ??= []).push(figure);
    }
  }
  return measured;
}

function printScenario({ title }: Scenario, rounds: Rounds, print: (line: string) => void): void {
  const ours = rounds[OURS]!;
  print(`\n${title}, ns: median, lowest to highest of ${ours.length} interleaved rounds`);
  const rows = Object.entries(rounds).map(([engine, all]) => {
    const nanos = all.map((figure) => figure.nanos);
    return { engine, nanos, middle: median(nanos), ratio: ratioOf(rounds, engine) };
  });
  for (const { engine, nanos, middle, ratio } of rows.toSorted((a, b) => a.middle - b.middle)) {
    const range = `${shown(Math.min(...nanos))} to ${shown(Math.max(...nanos))}`;
    const beside = engine === OURS || engine === FLOOR ? "" : `${shown(ratio)}×`;
    print(`  ${engine.padEnd(18)}${shown(middle).padStart(12)}${range.padStart(26)}  ${beside}`);
  }
  const worst = ours.map((figure) => figure.worst).filter((value) => value !== undefined);
  if (worst.length > 0) print(`  the longest single ask: ${shown(median(worst) / 1e6)} ms`);
}

function printSizes(print: (line: string) => void): void {
  print("\ncompiling, by number of roles");
  const columns = ["", "read ms", "compile ms", "bind µs", "roles kB", "shared kB", "a policy kB"];
  print(row(columns));
  for (const roles of SIZES) {
    const size = self<Size>(["--size", String(roles)], exposingGc());
    const kilobytes = (bytes: number) => shown(Math.max(0, bytes) / 1024);
    print(row([
      String(roles),
      shown(size.parse),
      shown(size.compile),
      shown(size.bind),
      kilobytes(size.roleBytes),
      kilobytes(size.sharedBytes),
      kilobytes(size.policyBytes),
    ]));
  }
}

function printPatterns(hard: readonly HardFigure[], print: (line: string) => void): void {
  print("\nhardest names of 1 kB, ms: first look, again, limit");
  for (const { title, first, again, limit } of hard) {
    print(
      `  ${title.padEnd(30)}${[first, again, limit].map((n) => shown(n).padStart(10)).join("")}`,
    );
  }
}

function printTargets(
  figures: ReadonlyMap<string, Rounds>,
  hard: readonly HardFigure[],
  print: (line: string) => void,
): void {
  const against = (title: string, engine: string) => ratioOf(figures.get(title)!, engine);
  const ours = (title: string) => median(figures.get(title)![OURS]!.map(({ nanos }) => nanos));
  const atLeast = (what: string, value: number, least: number) =>
    Number.isNaN(value)
      ? print(`  ${what}: not measured`)
      : print(`  ${what}: ${shown(value)}× (at least ${least}×): ${verdict(value >= least)}`);
  const atMost = (what: string, value: number, most: number, unit: string) =>
    print(`  ${what}: ${shown(value)}${unit} (at most ${most}${unit}): ${verdict(value <= most)}`);
  print("\ntargets");
  atLeast("a decision, against Go with an LRU", against(WARM_5, "go, LRU(2000)"), 50);
  atLeast("a decision, against casbin", against(WARM_5, "casbin"), 500);
  atLeast("a decision, against casbin by rows", against(WARM_5, "casbin, by rows"), 500);
  atLeast("a decision, against cedar", against(WARM_5, "cedar"), 1000);
  atLeast("a list of 1,000 tools, against Go with an LRU", against(LIST, "go, LRU(2000)"), 80);
  atMost("growth from 5 to 1,000 roles", ours(WARM_1000) / ours(WARM_5), 5, "×");
  atMost("the first 10,000 asks at 1,000 roles, mean", ours(COLD_1000) / 1000, 40, " µs");
  for (const { title, first, limit } of hard) atMost(`pattern, ${title}`, first, limit, " ms");
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

/** How many times as long as ours an engine takes: the median over rounds. */
function ratioOf(rounds: Rounds, engine: string): number {
  const ours = rounds[OURS]!;
  return median((rounds[engine] ?? []).map(({ nanos }, round) => nanos / ours[round]!.nanos));
}

/** This file again, in a process of its own. */
function self<T>(args: readonly string[], flags: readonly string[] = []): T {
  const runtime = process.versions["deno"] === undefined ? [] : ["run", "-A", "--no-check"];
  return json<T>(process.execPath, [...runtime, ...flags, fileURLToPath(import.meta.url), ...args]);
}

function exposingGc(): readonly string[] {
  return process.versions["deno"] === undefined ? ["--expose-gc"] : ["--v8-flags=--expose-gc"];
}

function json<T>(command: string, args: readonly string[], input = ""): T {
  const child = spawnSync(command, args, { input, encoding: "utf8", maxBuffer: 1 << 24 });
  if (child.status !== 0) throw new Error(`${args.join(" ")} failed: ${child.stderr}`);
  return JSON.parse(child.stdout) as T;
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function row([title = "", ...cells]: readonly string[]): string {
  return `  ${title.padEnd(8)}${cells.map((cell) => cell.padStart(13)).join("")}`;
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main) {
  const [what, first, roles, kind] = process.argv.slice(2);
  const answer = (value: unknown) => printLine(JSON.stringify(value));
  if (what === "--measure") answer(await measure(first!, Number(roles), kind as Kind));
  else if (what === "--size") answer(measureSize(Number(first)));
  else if (what === "--patterns") answer(measurePatterns());
  else benchPolicy({ quick: what === "--quick" });
}
