// tbot for a long time in little time: `deno task soak:tbot [renewals] [kills]`, 10,000 and 300
// without numbers. A week of life under a seed, renewals under a reader with memory and handles
// counted, and kills of the compiled program. Ends with 1 when any promise is broken.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import process from "node:process";
import { live } from "../../tests/support/bot_life.ts";
import { renewUnderRead } from "../../tests/support/renewals.ts";
import { playKills } from "../../tests/support/tbot_kills.ts";

const renewals = Number(process.argv[2] ?? 10_000);
const kills = Number(process.argv[3] ?? 300);
const say = (line: string) => console.log(line);
const cleanups: (() => unknown)[] = [];

try {
  await week();
  await flat();
  if (kills > 0) await killed();
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
} finally {
  for (const fn of cleanups.reverse()) await fn();
}

async function week(): Promise<void> {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e6));
  const began = performance.now();
  const life = await live({
    seed,
    hours: 7 * 24,
    failures: 0.2,
    outageEvery: 6,
    outageHours: 5,
    clockError: 1,
  });
  const seconds = Math.round((performance.now() - began) / 1000);
  say(
    `a week in ${seconds} s (SEED=${seed}): ${life.calls.length} calls, at most ` +
      `${life.busiestMinute} in a minute, ${life.renewals} renewals of the output`,
  );
  assert.deepEqual(life.gaps, []);
  assert.equal(life.locked, false);
  assert.ok(life.busiestMinute <= 20);
}

async function flat(): Promise<void> {
  const samples: { done: number; heap: number; rss: number; handles: number }[] = [];
  const step = Math.max(1, Math.floor(renewals / 10));
  const report = await renewUnderRead(renewals, (done) => {
    if (done % step !== 0) return;
    collectGarbage();
    const { heapUsed, rss } = process.memoryUsage();
    const handles = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
    samples.push({ done, heap: mib(heapUsed), rss: mib(rss), handles });
    const { heap, rss: resident } = samples.at(-1)!;
    say(`${done} renewals: heap ${heap} MiB, resident ${resident} MiB, ${handles} handles`);
  });
  say(`${report.reads} reads met ${report.versions} versions, ${report.torn.length} of them torn`);
  assert.deepEqual(report.torn, []);
  // The first tenth fills caches and compiles code.
  const [, early] = samples;
  const last = samples.at(-1);
  if (!early || !last) return;
  assert.ok(last.handles <= early.handles, "handles were left open");
  assert.ok(last.heap <= early.heap * 1.2 + 8, "the heap has grown with the number of renewals");
  assert.ok(last.rss <= early.rss * 1.3 + 16, "memory has grown with the number of renewals");
}

async function killed(): Promise<void> {
  const context = {
    cleanup: (fn: () => unknown) => void cleanups.push(fn),
    signal: new AbortController().signal,
  };
  say(`${kills} kills, ${await playKills(context, kills, say)} renewals, no hand needed`);
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}
