// Names of one kilobyte that make patterns work hardest: milliseconds for the first look, in which
// states are built, and for the second, in which they are there.
import { compilePattern } from "../../policy/pattern/mod.ts";

interface HardCase {
  readonly title: string;
  readonly source: string;
  readonly name: string;
  /** Milliseconds, by the size of the program. */
  readonly limit: number;
}

const KILOBYTE = 1024;
const A = "a".repeat(KILOBYTE);

/** Letters that look random, so that hardly a state comes twice. */
const MIXED = scrambled(KILOBYTE);

export const HARD_CASES: readonly HardCase[] = [
  { title: "backtracking's worst", source: "^(?:(?:a|a|aa)+x|a*b)$", name: `${A}b`, limit: 1 },
  { title: "nested stars", source: "^(a*)*b$", name: A, limit: 1 },
  { title: "100 optional letters", source: "^(?:a?){100}c$", name: A, limit: 1 },
  { title: "a window of 190", source: "^.*a.{190}x$", name: MIXED, limit: 1 },
  { title: "the size cap", source: "^[ab]{0,1000}[ab]{0,1000}x$", name: MIXED, limit: 20 },
  { title: "the size cap, as a window", source: "^.*a.{999}.{999}x$", name: MIXED, limit: 20 },
];

export interface HardFigure extends HardCase {
  readonly first: number;
  readonly again: number;
}

/** Each case with a fresh automaton, on a runtime that is warm. */
export function measurePatterns(): HardFigure[] {
  for (const { source, name } of HARD_CASES) for (let i = 0; i < 3; i++) look(source, name);
  return HARD_CASES.map((hard) => {
    const figures = Array.from({ length: 5 }, () => look(hard.source, hard.name));
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
    return {
      ...hard,
      first: median(figures.map(({ first }) => first)),
      again: median(figures.map(({ again }) => again)),
    };
  });
}

function look(source: string, name: string): { first: number; again: number } {
  const compiled = compilePattern(source);
  if (!compiled.ok) throw new Error(`${source}: ${compiled.message}`);
  const times = [0, 1].map(() => {
    const start = performance.now();
    compiled.pattern.test(name);
    return performance.now() - start;
  });
  return { first: times[0]!, again: times[1]! };
}

function scrambled(length: number): string {
  let state = 12345;
  let text = "";
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += (state >>> 16) % 2 === 0 ? "a" : "b";
  }
  return text;
}
