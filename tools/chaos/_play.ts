// Runs within its namespaces: so many faults, drawn by a seed, on a cluster at work. Prints what
// happened, and ends with 1 when a promise was broken.
import assert from "node:assert/strict";
import process from "node:process";
import { eventually, within } from "../../tests/support/cluster_process.ts";
import { seeded } from "../../tests/support/counting_client.ts";
import { draw, processes } from "./_faults.ts";
import { Stage } from "./_stage.ts";

/** Milliseconds within which everybody is served again after a fault. */
const RECOVERY_MS = 60_000;

/** Milliseconds within which a fault itself has been played. */
const PLAY_MS = 180_000;

const [faults = 0, seed = 0, longest = 0] = process.argv.slice(2).map(Number);
const only = process.argv[5];

try {
  await play();
  process.exit(0);
} catch (error) {
  console.log(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
  process.exit(1);
}

async function play(): Promise<void> {
  const dice = { random: seeded(seed), longest };
  const stage = await Stage.set();
  const began = performance.now();
  const played: Record<string, number> = {};
  const slowest: Record<string, number> = {};
  for (let count = 0; count < faults;) {
    const { names, acts } = draw(stage, dice, only);
    const label = `fault ${count + 1}, ${names.join(" and ")}`;
    const ended = Promise.all(acts.map((act) => act.play()));
    // Whoever calls while it lasts is answered within the deadline all the same.
    const called = Promise.all(stage.callers.map((caller) => caller.works));
    await within(Promise.race([ended, called]), label, PLAY_MS);
    const healed = performance.now();
    await Promise.all(
      stage.callers.map((caller) =>
        within(caller.served(), `${caller.name} after ${label}`, RECOVERY_MS)
      ),
    );
    const recovery = Math.round(performance.now() - healed);
    for (const name of names.map((name) => name.replace(/ \(.*/, ""))) {
      played[name] = (played[name] ?? 0) + 1;
      slowest[name] = Math.max(slowest[name] ?? 0, recovery);
      count++;
    }
    console.log(`${label}: served after ${recovery} ms`);
    assert.deepEqual(stage.watch.gaps, [], "the identity was always good");
  }
  await stage.strike();
  for (const caller of stage.callers) caller.client.check(stage.effects);
  await eventually(() => left().length === 0, "no process is left");
  report(stage, { played, slowest, seconds: Math.round((performance.now() - began) / 1000) });
}

/** Programs that nobody needs any more. */
function left(): number[] {
  return ["/dist/", "counting_server.mjs", "postgres"].flatMap(processes);
}

function report(
  stage: Stage,
  { played, slowest, seconds }: {
    played: Record<string, number>;
    slowest: Record<string, number>;
    seconds: number;
  },
): void {
  const outcomes = stage.callers.flatMap(({ client }) => [...client.outcomes.values()]);
  const count = (wanted: string) => outcomes.filter((outcome) => outcome === wanted).length;
  console.log(
    `\nseed ${seed}: ${outcomes.length} calls in ${seconds} s, ${
      count("unknown")
    } with an unknown ` +
      `outcome, ${count("refused")} refused; each effect at most once, and once where answered`,
  );
  console.log(
    `identity: ${stage.watch.renewals} renewals seen, ${Math.round(stage.watch.least / 1000)} s ` +
      "left at least",
  );
  for (const { name, ended } of stage.parts) {
    if (ended > 0) console.log(`${name} ended ${ended} times by itself, and was started again`);
  }
  console.log("times  slowest return of service, ms");
  for (const [name, times] of Object.entries(played).toSorted()) {
    console.log(`${String(times).padStart(5)}  ${String(slowest[name]).padStart(6)}  ${name}`);
  }
}
