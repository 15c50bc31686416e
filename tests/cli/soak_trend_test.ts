import assert from "node:assert/strict";
import { seeded } from "../support/counting_client.ts";
import { test } from "../support/harness.ts";
import { floorsOf, grows, trendOf } from "../../tools/soak/_trend.ts";

/** A figure that rises so much in a hundred samples, and scatters so much around its line. */
function samples(rise: number, scatter: number) {
  const random = seeded(1);
  return Array.from({ length: 101 }, (_, index) => ({
    at: index * 5,
    value: 80 + rise * index / 100 + scatter * (random() - 0.5),
  }));
}

test("trendOf() finds the rise of a line", () => {
  const { rise, error, mean } = trendOf(samples(10, 0));
  assert.ok(Math.abs(rise - 10) < 1e-9 && error < 1e-6, `${rise} ± ${error}`);
  assert.ok(Math.abs(mean - 85) < 1e-9, `${mean}`);
});

for (
  const { rise, scatter, grown } of [
    { rise: 0, scatter: 30, grown: false },
    { rise: 4, scatter: 4, grown: false },
    { rise: 12, scatter: 4, grown: true },
    { rise: -20, scatter: 4, grown: false },
  ]
) {
  test(`grows() says ${grown} of a rise by ${rise} within a scatter of ${scatter}, where 6 may be`, () => {
    assert.equal(grows(trendOf(samples(rise, scatter)), 6), grown);
  });
}

test("floorsOf() takes the least of each span, and so sees a leak below a collector's saw", () => {
  const saw = samples(12, 0).map(({ at, value }, index) => ({ at, value: value + index % 7 * 10 }));
  const floors = floorsOf(saw, 10);
  assert.equal(floors.length, 10);
  const { rise, error } = trendOf(floors);
  assert.ok(rise > 8 && error < 2, `${rise} ± ${error}`);
});
