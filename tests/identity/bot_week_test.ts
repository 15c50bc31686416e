// A bot's life under a fake clock. A failure names its seed, which shows it again:
// SEED=7 bun test tests/identity/bot_week_test.ts
// `deno task soak:tbot` has it live for a week, with a seed of its own each time.
import assert from "node:assert/strict";
import process from "node:process";
import { type LifeOptions, live } from "../support/bot_life.ts";
import { test } from "../support/harness.ts";

const seed = Number(process.env["SEED"] ?? 1);
const hours = Number(process.env["HOURS"] ?? 18);
const week: LifeOptions = {
  seed,
  hours,
  failures: 0.2,
  outageEvery: 6,
  outageHours: 5,
  clockError: 0,
};

const weeks: Record<string, LifeOptions> = {
  "an authority that fails in every way": week,
  "a clock that is set wrong again and again": { ...week, failures: 0.05, clockError: 3 },
  "an authority that hardly ever answers": { ...week, hours: hours / 3, failures: 0.8 },
};

for (const [what, options] of Object.entries(weeks)) {
  test(`through ${what} a bot keeps a valid identity on disk, and makes no storm (seed ${seed})`, async () => {
    const { busiestMinute, calls, gaps, locked, renewals } = await live(options);
    assert.deepEqual(gaps, []);
    assert.equal(locked, false, "a lost reply was taken for a copy of the storage");
    // Two loops, whose tries are 0.5, 1, 2, 4, … seconds apart at least.
    assert.ok(busiestMinute <= 20, `${busiestMinute} calls in a minute`);
    // Rounds of seven and five tries, five minutes apart, if none of them succeeds.
    assert.ok(calls.length <= options.hours * 150, `${calls.length} calls`);
    assert.ok(renewals >= options.hours / 2, `${renewals} renewals`);
  });
}

test("the same seed makes the same life", async () => {
  const short = { ...week, hours: 5, failures: 0.4, outageEvery: 2 };
  const [first, again, other] = [
    await live(short),
    await live(short),
    await live({ ...short, seed: seed + 1 }),
  ].map(({ calls }) => calls.toSorted());
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
});
