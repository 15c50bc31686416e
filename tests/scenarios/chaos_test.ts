// The short version of `deno task chaos`; a seed plays the same faults again.
import assert from "node:assert/strict";
import process from "node:process";
import { playChaos } from "../support/chaos.ts";
import { scenario as test } from "../support/scenario.ts";

const seed = Number(process.env["SEED"] ?? 11);

test("fifty faults cost no answered call its effect, and double none", async (context) => {
  const { faults, succeeded } = await playChaos(context, { faults: 50, seed });
  // Cuts alone are half of them at least, and each left calls that were answered.
  assert.ok(faults["connection cut"]! >= 25, JSON.stringify(faults));
  assert.ok(succeeded >= 200, `${succeeded} calls`);
}, {
  proves: ["fault.cuts", "fault.chaos"],
  skip: process.platform === "win32" && "stops processes by signals",
});
