// Sessions that end in every way there is, and the count of what is left of them:
// `deno task soak:leaks [sessions]`, 1,000 without a number. Ends with 1 when anything stays.
import process from "node:process";
import { type LeakReport, playLeaks } from "../../tests/support/leaks.ts";

/** Long enough to open a batch on a busy machine. */
const EXPIRY = "20s";

const sessions = Number(process.argv[2] ?? 1000);
const cleanups: (() => unknown)[] = [];
try {
  const context = {
    cleanup: (fn: () => unknown) => void cleanups.push(fn),
    signal: new AbortController().signal,
  };
  print(await playLeaks(context, sessions, { say: (line) => console.log(line), expiry: EXPIRY }));
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
} finally {
  for (const fn of cleanups.reverse()) await fn();
}

function print({ sessions, ends, slowest }: LeakReport): void {
  console.log(`\n${sessions} sessions, no process left; the slowest batch took ${slowest} ms`);
  for (const [how, count] of Object.entries(ends)) {
    console.log(`${String(count).padStart(6)}  ${how}`);
  }
}
