// The short versions of `deno task chaos` and `deno task chaos:network`; a seed plays the same faults
// again. Fifty in all.
import assert from "node:assert/strict";
import process from "node:process";
import { noNamespaces, PLAY, runInNamespaces } from "../../tools/chaos/_namespaces.ts";
import { playChaos } from "../support/chaos.ts";
import { NO_POSTGRES } from "../support/postgres_server.ts";
import { scenario as test } from "../support/scenario.ts";

const seed = Number(process.env["SEED"] ?? 11);

test("faults cost no answered call its effect, and double none", async (context) => {
  const { faults, succeeded } = await playChaos(context, { faults: 38, seed });
  // Cuts alone are half of them at least, and each left calls that were answered.
  assert.ok(faults["connection cut"]! >= 19, JSON.stringify(faults));
  assert.ok(succeeded >= 150, `${succeeded} calls`);
}, {
  proves: ["fault.cuts", "fault.chaos"],
  skip: process.platform === "win32" && "stops processes by signals",
});

test("faults of machines and links cost a cluster that is apart no answered call", async () => {
  const lines: string[] = [];
  const code = await runInNamespaces(PLAY, ["12", `${seed}`, "500"], (line) => lines.push(line));
  const said = lines.join("\n");
  assert.equal(code, 0, said);
  const [, calls] = /(\d+) calls in/.exec(said) ?? [];
  assert.ok(Number(calls) >= 80, said);
}, {
  proves: ["fault.chaos", "fault.network"],
  skip: noNamespaces() || NO_POSTGRES,
});
