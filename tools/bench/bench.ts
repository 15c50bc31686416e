/**
 * What Postern costs, beside doing without it and beside others. Rounds are interleaved, each
 * subject has a process of its own in each round, figures are medians, and what counts is the
 * ratio. `--quick` measures fewer of each, `--only path|idle|policy|tbot` a part of it, and `--json
 * FILE` writes every figure of the path. How to read it: docs/benchmarks.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { measureGrants } from "./_authorisation.ts";
import { startCluster } from "./_cluster.ts";
import { measureIdle } from "./_idle_sessions.ts";
import { DIRECT, measurePaths, MEASURES, OURS } from "./_path.ts";
import { peers } from "./_peers.ts";
import { EMPTY, measureStartUp } from "./_start_up.ts";
import { median, ratioOf, type Samples, shown } from "./_stats.ts";
import { ECHO, plain, socat, type Subject } from "./_subjects.ts";
import { type Figures, judge, type Judged, SOCAT } from "./_targets.ts";
import { measureTbot } from "./_tbot.ts";
import { benchPolicy } from "./policy.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "string" },
  },
});
const { quick, only, json } = options;
const rounds = quick ? 3 : 7;

const PARTS: Readonly<Record<string, () => unknown>> = {
  policy: () => benchPolicy({ quick, print }),
  path: benchPath,
  idle: benchIdle,
  tbot: benchTbot,
};
if (only !== undefined && PARTS[only] === undefined) {
  throw new Error(`--only is one of ${Object.keys(PARTS).join(", ")}`);
}
for (const [name, run] of Object.entries(PARTS)) {
  if (only === undefined || only === name) await run();
}

async function benchIdle(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  try {
    const { sessions, kbEach, beforeMb, withMb, openMs: [none, all] } = await measureIdle(
      directory,
      quick ? 100 : 1000,
    );
    print(`\n${sessions} idle sessions, a server process each`);
    print(`  memory of the agent for each ${shown(kbEach)} kB`);
    print(`  memory of the agent ${shown(beforeMb)} MB before, ${shown(withMb)} MB with them`);
    print(`  to open a session ${shown(none)} ms before, ${shown(all)} ms with them`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function benchTbot(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  try {
    const { readyMs, residentMb } = await measureTbot(directory, rounds);
    print("\ntbot on a stored identity, medians");
    print(`  until it has renewed and written ${shown(median(readyMs))} ms`);
    if (residentMb.length > 0) print(`  resident memory then ${shown(median(residentMb))} MB`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function benchPath(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  const notRun: Record<string, string> = {};
  try {
    const { cluster, bridge, identity } = await startCluster(directory, { command: [...ECHO] });
    try {
      const start = measureStartUp(directory, rounds * 2);
      const subjects = [plain(DIRECT, ECHO), plain(OURS, bridge)];
      const others: [string, Subject | string][] = [[SOCAT, socat(directory)], ...peers(directory)];
      for (const [name, subject] of others) {
        if (typeof subject === "string") notRun[name] = subject;
        else subjects.push(subject);
      }
      const failed = (name: string, why: string) => void (notRun[name] = why);
      const path = await measurePaths(subjects, { rounds, quick, directory, failed });
      const { proxy } = cluster;
      const app = "my-mcp-server";
      const grant = await measureGrants(directory, { identity, proxy, app }, rounds);
      report({ ...path, start, grant: { [OURS]: grant } }, notRun);
    } finally {
      await cluster.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report(figures: Figures, notRun: Readonly<Record<string, string>>): void {
  print(`\nMedians of ${rounds} interleaved rounds, ${availableParallelism()} processors`);
  for (const [name, values] of Object.entries(figures["start"] ?? {})) {
    if (name !== EMPTY) {
      printRatio(`start of ${name}`, "ms", figures["start"]!, name, EMPTY, values);
    }
  }
  for (const { id, title, unit } of MEASURES) {
    print(`\n${title}, ${unit}`);
    for (const [name, values] of Object.entries(figures[id] ?? {})) {
      printRatio(name, unit, figures[id]!, name, DIRECT, values);
    }
  }
  print("\ngrant of a session, part of the first answer, ms");
  printRatio(OURS, "ms", figures["grant"]!, OURS, OURS, figures["grant"]![OURS]!);
  for (const [name, why] of Object.entries(notRun)) print(`\n${name}: not run: ${why}`);
  const judged = judge(figures);
  print("\ntargets");
  judged.forEach(printJudged);
  if (json !== undefined) {
    const machine = { platform: process.platform, processors: availableParallelism() };
    writeFileSync(
      json,
      JSON.stringify({ rounds, machine, figures, notRun, targets: judged }, null, 2),
    );
  }
}

function printRatio(
  title: string,
  unit: string,
  samples: Samples,
  one: string,
  other: string,
  values: readonly number[],
): void {
  const range = `${shown(Math.min(...values))} to ${shown(Math.max(...values))}`;
  const ratio = one === other ? "" : `${shown(ratioOf(samples, one, other))}× ${other}`;
  print(
    `  ${title.padEnd(26)}${`${shown(median(values))} ${unit}`.padStart(14)}${
      range.padStart(24)
    }  ${ratio}`,
  );
}

function printJudged({ title, unit, bar, value, verdict }: Judged): void {
  const found = value === null ? "-" : `${shown(value)} ${unit}`;
  print(`  ${title.padEnd(56)}${found.padStart(12)}${bar.padStart(16)}  ${verdict}`);
}

function print(line: string): void {
  process.stdout.write(`${line.trimEnd()}\n`);
}
