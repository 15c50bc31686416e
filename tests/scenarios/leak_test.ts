// Nothing of a session outlives it: the short version of `deno task soak:leaks`.
import assert from "node:assert/strict";
import process from "node:process";
import { scenario as test } from "../support/scenario.ts";
import { playLeaks } from "../support/leaks.ts";

test("nothing is left of sessions, whichever way they end", async (context) => {
  // One batch for each way to end many sessions at once.
  const { sessions, ends } = await playLeaks(context, 85);
  assert.equal(sessions, 85);
  assert.equal(Object.keys(ends).length, 11);
}, {
  proves: ["fault.leaks"],
  skip: process.platform !== "linux" && "counts in /proc",
});
