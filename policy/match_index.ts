/**
 * Every pattern of a large set that matches a name. Patterns are looked up by what their texts
 * begin or end with, and what is found so is judged by the pattern itself; the few without a fixed
 * end are asked together first. So the cost follows what a name comes near to, not how many
 * patterns there are.
 */
import { type FixedEnds, fixedEnds } from "./_fixed_ends.ts";
import { compilePatternSet, type Pattern, type PatternSet } from "./pattern/mod.ts";

/** A pattern, and the numbers of all that are the same. */
interface Candidate {
  readonly pattern: Pattern;
  readonly ends: FixedEnds;
  readonly numbers: number[];
}

export class MatchIndex {
  readonly #literals = new Map<string, Candidate>();
  readonly #starts = new EndTable();
  readonly #ends = new EndTable();
  /** Patterns that may match anything, as far as their ends tell. */
  readonly #loose: Candidate[] = [];
  #looseSet: PatternSet | undefined;

  constructor(patterns: readonly Pattern[]) {
    const candidates = distinct(patterns);
    const starting = count(candidates.map(({ ends }) => ends.start));
    const ending = count(candidates.map(({ ends }) => ends.end));
    for (const candidate of candidates) {
      const { start, end } = candidate.ends;
      // The rarer end finds fewer candidates that come to nothing.
      const startIsRarer = start !== "" &&
        (end === "" || (starting.get(start) ?? 0) <= (ending.get(end) ?? 0));
      if (candidate.pattern.kind === "literal") {
        this.#literals.set(candidate.pattern.source, candidate);
      } else if (startIsRarer) this.#starts.add(start, candidate);
      else if (end !== "") this.#ends.add(end, candidate);
      else this.#loose.push(candidate);
    }
  }

  /** The numbers of all patterns that match, ascending. */
  matches(text: string): readonly number[] {
    const found: number[] = [];
    const tryOne = ({ pattern, numbers }: Candidate) => {
      if (pattern.test(text)) { for (const number of numbers) found.push(number); }
    };
    const literal = this.#literals.get(text);
    if (literal) tryOne(literal);
    this.#starts.find(text.length, (length) => text.slice(0, length), tryOne);
    this.#ends.find(text.length, (length) => text.slice(text.length - length), tryOne);
    if (this.#loose.length > 0) {
      this.#looseSet ??= compilePatternSet(this.#loose.map(({ pattern }) => pattern));
      const first = this.#looseSet.firstMatch(text);
      if (first >= 0) this.#loose.slice(first).forEach(tryOne);
    }
    return found.length > 1 ? found.sort((a, b) => a - b) : found;
  }
}

/** Candidates by one of their ends; as many look-ups as those ends have lengths. */
class EndTable {
  readonly #byEnd = new Map<string, Candidate[]>();
  readonly #lengths = new Set<number>();

  add(end: string, candidate: Candidate): void {
    const same = this.#byEnd.get(end);
    if (same) same.push(candidate);
    else this.#byEnd.set(end, [candidate]);
    this.#lengths.add(end.length);
  }

  find(most: number, cut: (length: number) => string, use: (candidate: Candidate) => void): void {
    for (const length of this.#lengths) {
      if (length <= most) this.#byEnd.get(cut(length))?.forEach(use);
    }
  }
}

function distinct(patterns: readonly Pattern[]): Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const [number, pattern] of patterns.entries()) {
    const known = candidates.get(pattern.source);
    if (known) known.numbers.push(number);
    else candidates.set(pattern.source, { pattern, ends: fixedEnds(pattern), numbers: [number] });
  }
  return [...candidates.values()];
}

function count(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}
