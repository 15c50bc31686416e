// Faults under a counting workload: `deno task chaos [faults] [seed]`, 1,000 without a number. Ends
// with 1, and the seed, when an effect is missing or there twice.
import process from "node:process";
import { playChaos } from "../../tests/support/chaos.ts";

const faults = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const cleanups: (() => unknown)[] = [];
try {
  console.log(`seed ${seed}`);
  const context = {
    cleanup: (fn: () => unknown) => void cleanups.push(fn),
    signal: new AbortController().signal,
  };
  const report = await playChaos(context, { faults, seed, say: (line) => console.log(line) });
  const failed = report.calls - report.succeeded;
  console.log(
    `\n${report.calls} calls, ${failed} with an unknown outcome; each effect at most once`,
  );
  for (const [kind, count] of Object.entries(report.faults)) {
    console.log(`${String(count).padStart(6)}  ${kind}`);
  }
} catch (error) {
  console.error(`seed ${seed}: ${error}`);
  process.exitCode = 1;
} finally {
  for (const fn of cleanups.reverse()) await fn();
}
