// A share of what `deno task fuzz` does at length: other cases on each run, so many of them.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import process from "node:process";
import { checkGate, checkScanner } from "../../tools/fuzz/check.ts";
import { below, mutate, random } from "../../tools/fuzz/mutate.ts";
import { recorded, seeds } from "../../tools/fuzz/seeds.ts";
import { scanMessage } from "../../relay/wire/scanner.ts";
import { test } from "../support/harness.ts";

const CASES = 4_000;
/** What a run has found is found again by `POSTERN_FUZZ_SEED=… bun test tests/relay/fuzz_test.ts`. */
const FIRST = Number(process.env["POSTERN_FUZZ_SEED"] ?? randomInt(2 ** 31));

test("mutated traffic is read as a strict parser reads it, and passes no call that is not listed", () => {
  const corpus = seeds();
  for (let seed = FIRST; seed < FIRST + CASES; seed++) {
    const next = random(seed);
    const pick = () => corpus[below(next, corpus.length)]!;
    const lines = Array.from({ length: 4 }, () => mutate(pick(), pick(), next));
    for (const line of lines) assert.equal(checkScanner(line), undefined, `seed ${seed}`);
    assert.equal(checkGate(lines, next), undefined, `seed ${seed}`);
  }
});

test("recorded traffic of real servers and clients is taken, each line of it", () => {
  const lines = recorded();
  assert.ok(lines.length > 200);
  for (const line of lines) {
    assert.ok(scanMessage(line).ok, new TextDecoder().decode(line));
    assert.equal(checkScanner(line), undefined);
  }
});
