import assert from "node:assert/strict";
import { watchClock } from "../../identity/mod.ts";
import type { Clock } from "../../identity/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";

const cases: Record<string, { wall: number; steady: number; jumps: number[] }> = {
  "nothing at all": { wall: 0, steady: 0, jumps: [] },
  "a clock that is slewed": { wall: 2_000, steady: 0, jumps: [] },
  "a busy machine": { wall: 20_000, steady: 20_000, jumps: [] },
  "a sleep in which timers stand still": { wall: 3_600_000, steady: 0, jumps: [3_600_000] },
  "a sleep in which the steady clock goes on": {
    wall: 3_600_000,
    steady: 3_600_000,
    jumps: [3_600_000],
  },
  "a clock that is set back": { wall: -3_600_000, steady: 0, jumps: [-3_600_000] },
};

for (const [what, { jumps, steady, wall }] of Object.entries(cases)) {
  test(`watchClock() tells ${jumps.length === 0 ? "nothing" : "the jump"} of ${what}`, async () => {
    const fake = new FakeClock(new Date("2026-11-23T12:00:00Z"));
    let moved = { wall: 0, steady: 0 };
    const clock: Clock = {
      now: () => new Date(fake.now().getTime() + moved.wall),
      monotonic: () => fake.monotonic() + moved.steady,
      sleep: (ms, signal) => fake.sleep(ms, signal),
    };
    const found: number[] = [];
    const stop = new AbortController();
    const watching = watchClock(clock, stop.signal, (ms) => found.push(ms));
    await fake.step(1);
    await fake.asleep(1);
    moved = { wall, steady };
    await fake.step(1);
    await fake.asleep(1);
    await fake.step(1);
    await fake.asleep(1);
    assert.deepEqual(found, jumps);
    stop.abort();
    await watching;
  });
}
