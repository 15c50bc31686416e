// Runs within its namespaces: so many minutes of calls, of renewals, and of bridges that come and go.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Stage } from "../chaos/_stage.ts";
import { floorsOf, grows, type Sample, trendOf } from "./_trend.ts";

const SAMPLE_MS = 5_000;

/** The share of the time in which caches fill and code is compiled. */
const WARM_UP = 1 / 3;

/** The rest is cut into so many spans, and the least of each counts. */
const SPANS = 12;

/** What the lines may rise over the rest of the time. */
const MEMORY_MIB = 6;
const HANDLES = 2;

/** A bridge that comes, calls and goes, once in so many samples. */
const GUEST_EVERY = 2;

interface Watched {
  readonly memory: Sample[];
  readonly handles: Sample[];
}

const minutes = Number(process.argv[2]);

try {
  await soak();
  process.exit(0);
} catch (error) {
  console.log(error instanceof Error ? error.stack : error);
  process.exit(1);
}

async function soak(): Promise<void> {
  const stage = await Stage.set();
  const began = performance.now();
  const end = began + minutes * 60_000;
  const watched = new Map<string, Watched>();
  let guests = 0;
  for (let count = 0; performance.now() < end; count++) {
    await sleep(SAMPLE_MS);
    const at = (performance.now() - began) / 1000;
    for (const { name, pid } of [...stage.parts, ...stage.callers]) {
      const { memory, handles } = sample(pid);
      const own = watched.get(name) ?? { memory: [], handles: [] };
      own.memory.push({ at, value: memory });
      own.handles.push({ at, value: handles });
      watched.set(name, own);
    }
    if (count % GUEST_EVERY === 0) {
      const guest = stage.newCaller(stage.callers.length + 1 + guests++);
      await guest.start();
      await guest.served();
      assert.equal(await guest.stop(), 0, guest.stderr);
      guest.client.check(stage.effects);
    }
    await Promise.all(stage.callers.map((caller) => caller.served()));
    assert.deepEqual(stage.watch.gaps, [], "the identity was always good");
    if (count % 12 === 11) console.log(`${Math.round(at)} s: ${line(watched)}`);
  }
  await stage.strike();
  for (const { client } of stage.callers) client.check(stage.effects);
  const calls = stage.callers.reduce((sum, { client }) => sum + client.outcomes.size, 0);
  console.log(
    `\n${calls} calls, ${stage.watch.renewals} renewals, ${guests} bridges came and went`,
  );
  judge(watched, (end - began) / 1000 * WARM_UP);
}

/** Resident MiB and open files of a process. */
function sample(pid: number): { memory: number; handles: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, kib = "0"] = /^VmRSS:\s+(\d+)/m.exec(status) ?? [];
  return { memory: Number(kib) / 1024, handles: readdirSync(`/proc/${pid}/fd`).length };
}

function line(watched: ReadonlyMap<string, Watched>): string {
  return [...watched].map(([name, { memory, handles }]) =>
    `${name} ${memory.at(-1)!.value.toFixed(0)} MiB ${handles.at(-1)!.value}`
  ).join(", ");
}

/** Prints the figures after the warm-up, and throws when one of them grows. */
function judge(watched: ReadonlyMap<string, Watched>, from: number): void {
  console.log("memory MiB, its rise ± error; handles, their rise ± error, after the warm-up");
  const growing: string[] = [];
  for (const [name, figures] of watched) {
    const warm = (samples: readonly Sample[]) =>
      trendOf(floorsOf(samples.filter(({ at }) => at >= from), SPANS));
    const [memory, handles] = [warm(figures.memory), warm(figures.handles)];
    const text = [memory, handles].map(({ mean, rise, error }) =>
      `${mean.toFixed(1)}  ${rise.toFixed(1)} ± ${error.toFixed(1)}`
    );
    console.log(`${name.padEnd(12)} ${text.join("    ")}`);
    if (grows(memory, MEMORY_MIB)) growing.push(`memory of ${name}`);
    if (grows(handles, HANDLES)) growing.push(`handles of ${name}`);
  }
  assert.deepEqual(growing, [], "nothing grows");
}
