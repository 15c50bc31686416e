// `deno task fuzz -- --minutes 10 --seed 7`: mutated traffic against the scanner and the gate. A
// failure is printed with all that is needed to see it again.
import process from "node:process";
import { parseArgs } from "node:util";
import { checkGate, checkScanner } from "./check.ts";
import { below, mutate, random } from "./mutate.ts";
import { seeds } from "./seeds.ts";

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: `${Date.now() % 1e9}` },
    cases: { type: "string" },
  },
});

const corpus = seeds();
const end = Date.now() + Number(values.minutes) * 60_000;
const limit = values.cases === undefined ? Infinity : Number(values.cases);
const first = Number(values.seed);

/** What twice as many cases may leave behind more than half of them did: nothing but noise. */
const MAX_GROWTH = 16e6;
const FIRST_LOOK = 5_000;
let look = { cases: FIRST_LOOK, heap: Infinity };

let cases = 0;
for (; cases < limit && (values.cases !== undefined || Date.now() < end); cases++) {
  if (cases === look.cases) lookAtMemory();
  const seed = (first + cases) >>> 0;
  const next = random(seed);
  const lines = Array.from({ length: 4 }, () => {
    const pick = () => corpus[below(next, corpus.length)]!;
    return mutate(pick(), pick(), next);
  });
  let wrong: string | undefined;
  try {
    wrong = lines.map(checkScanner).find((it) => it !== undefined) ?? checkGate(lines, next);
  } catch (error) {
    wrong = `threw ${error instanceof Error ? error.stack : error}`;
  }
  if (wrong === undefined) continue;
  console.error(`seed ${seed}: ${wrong}`);
  for (const line of lines) console.error(`  ${Array.from(line, hex).join("")}`);
  console.error(`again: deno task fuzz -- --cases 1 --seed ${seed}`);
  process.exit(1);
}
console.log(`${cases} cases of 4 lines from seed ${first}, none wrong`);

/** Judges the heap without its garbage at each doubling of the cases. */
function lookAtMemory(): void {
  (globalThis as { gc?: () => void }).gc?.();
  const heap = process.memoryUsage().heapUsed;
  if (heap - look.heap > MAX_GROWTH) {
    const grown = ((heap - look.heap) / 1e6).toFixed(0);
    console.error(`the heap grew by ${grown} MB from case ${cases / 2} to case ${cases}`);
    process.exit(1);
  }
  look = { cases: cases * 2, heap };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
