// A fixed share of what `deno task fuzz` does at length: the same cases on each run.
import assert from "node:assert/strict";
import { checkGate, checkScanner } from "../../tools/fuzz/check.ts";
import { below, mutate, random } from "../../tools/fuzz/mutate.ts";
import { test } from "../support/harness.ts";
import { vectors } from "./gate_support.ts";

const CASES = 4_000;

test("mutated traffic is read as a strict parser reads it, and passes no call that is not listed", () => {
  const seeds = ["attacks", "gate"].flatMap((folder) => vectors(folder))
    .flatMap(({ steps }) => steps.map(({ line }) => line)).filter(({ length }) => length > 0);
  for (let seed = 0; seed < CASES; seed++) {
    const next = random(seed);
    const pick = () => seeds[below(next, seeds.length)]!;
    const lines = Array.from({ length: 4 }, () => mutate(pick(), pick(), next));
    for (const line of lines) assert.equal(checkScanner(line), undefined, `seed ${seed}`);
    assert.equal(checkGate(lines, next), undefined, `seed ${seed}`);
  }
});
