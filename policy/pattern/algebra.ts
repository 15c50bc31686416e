// Exact answers about sets of patterns: is there a text that some match and others do not? From it
// follow emptiness, inclusion, intersection and difference, each with a shortest witness.
//
// Texts are well-formed Unicode, as names on the wire are: a pattern that only lone surrogates
// could match counts as one that nothing matches.
import { compileSearch } from "./_program.ts";
import type { Sample } from "./_sample.ts";
import { sampleOf } from "./_sample.ts";
import { doubled, States } from "./_states.ts";
import { Stepper } from "./_stepper.ts";
import { compiled } from "./pattern.ts";
import type { Pattern } from "./pattern.ts";

/** What a text must and must not match. */
export interface Question {
  /** Every one of these. */
  readonly allOf?: readonly Pattern[];
  /** At least one of these, if given. */
  readonly anyOf?: readonly Pattern[];
  /** None of these. */
  readonly noneOf?: readonly Pattern[];
}

export type Witness =
  /** A shortest such text, of printable characters only if there is one of those. */
  | { readonly kind: "witness"; readonly text: string }
  /** Proved: there is no such text. */
  | { readonly kind: "empty" }
  /** Not decided within the limit. */
  | { readonly kind: "unknown" };

const MAX_STATES = 100_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Instructions looked at: what bounds the time where states are few and large. */
const MAX_VISITS = 40_000_000;

/** A shortest text that fits the question, a proof that there is none, or neither. */
export function witness(question: Question): Witness {
  const search = new Search(question);
  const printable = search.run(true);
  return printable.kind === "empty" ? search.run(false) : printable;
}

/** Whether everything that `pattern` matches is matched by one of `others`; else a text that is not. */
export function uncovered(pattern: Pattern, others: readonly Pattern[]): Witness {
  return witness({ allOf: [pattern], noneOf: others });
}

type Letter = Sample & { readonly charClass: number };

/** Walks all texts at once, shortest first, through the states that they lead to. */
class Search {
  readonly #all: number;
  /** Patterns by number: first those of `allOf`, then up to here those of `anyOf`, then the rest. */
  readonly #any: number;
  readonly #stepper: Stepper;
  readonly #letters: readonly Letter[];
  #states: States;
  /** By number of a state: the one before it, and the letter between. */
  #from: Int32Array = new Int32Array(16);
  #letter: Int32Array = new Int32Array(16);

  constructor({ allOf = [], anyOf = [], noneOf = [] }: Question) {
    this.#all = allOf.length;
    this.#any = this.#all + anyOf.length;
    const nodes = [...allOf, ...anyOf, ...noneOf].map((pattern) => compiled(pattern).node);
    this.#stepper = new Stepper(compileSearch(nodes));
    this.#states = new States(this.#stepper.words);
    this.#letters = this.#stepper.alphabet.ranges()
      .map((ranges, charClass) => ({ charClass, ...sampleOf(ranges) }))
      .filter(({ codePoint }) => codePoint >= 0)
      .sort((a, b) => a.rank - b.rank);
  }

  run(printableOnly: boolean): Witness {
    const stepper = this.#stepper;
    this.#states = new States(stepper.words);
    const letters = this.#letters.filter(({ printable }) => printable || !printableOnly);
    const maxStates = Math.min(MAX_STATES, MAX_BYTES / (4 * stepper.words + 64));
    stepper.visits = 0;
    stepper.start();
    if (this.#survives(undefined)) this.#keep(0, 0);
    for (let state = 1; state <= this.#states.count; state++) {
      this.#step(state, stepper.alphabet.size);
      if (this.#fits(state)) return { kind: "witness", text: this.#textTo(state) };
      for (const { charClass, codePoint } of letters) {
        this.#step(state, charClass);
        if (this.#survives(state)) this.#keep(state, codePoint);
      }
      if (this.#states.count > maxStates || stepper.visits > MAX_VISITS) return { kind: "unknown" };
    }
    return { kind: "empty" };
  }

  #step(state: number, charClass: number): void {
    const { sets, words, tags } = this.#states;
    this.#stepper.step(sets, state * words, tags[state]!, charClass);
  }

  /** Whether the text that ends here fits; the last step was over its end. */
  #fits(state: number): boolean {
    const { hits } = this.#stepper;
    if (hits.some((id) => id >= this.#any)) return false;
    for (let id = 0; id < this.#all; id++) {
      if (this.#pending(state, id, id + 1) && !hits.includes(id)) return false;
    }
    return !this.#pending(state, this.#all, this.#any) || hits.some((id) => id >= this.#all);
  }

  /**
   * Whether a longer text may fit. A match is for good, whatever follows; so a pattern that has
   * matched is dropped, and one that has not and has no position left never will.
   */
  #survives(state: number | undefined): boolean {
    const stepper = this.#stepper;
    const { hits, firstPosition } = stepper;
    if (hits.some((id) => id >= this.#any)) return false;
    for (let id = 0; id < this.#all; id++) {
      if (hits.includes(id)) stepper.drop(firstPosition[id]!, firstPosition[id + 1]!);
      else if (this.#pending(state, id, id + 1) && !this.#alive(id, id + 1)) return false;
    }
    if (hits.some((id) => id >= this.#all)) {
      stepper.drop(firstPosition[this.#all]!, firstPosition[this.#any]!);
      return true;
    }
    return !this.#pending(state, this.#all, this.#any) || this.#alive(this.#all, this.#any);
  }

  /** Whether one of the patterns in a range was still to match in a state. */
  #pending(state: number | undefined, from: number, to: number): boolean {
    if (state === undefined) return to > from;
    const { sets, words } = this.#states;
    return this.#anyPosition(sets, state * words, from, to);
  }

  #alive(from: number, to: number): boolean {
    return this.#anyPosition(this.#stepper.next, 0, from, to);
  }

  #anyPosition(sets: Int32Array, offset: number, from: number, to: number): boolean {
    const { firstPosition } = this.#stepper;
    for (let p = firstPosition[from]!; p < firstPosition[to]!; p++) {
      const word = sets[offset + (p >> 5)]!;
      if (word === 0) p |= 31;
      else if (word >>> (p & 31) & 1) return true;
    }
    return false;
  }

  #keep(from: number, codePoint: number): void {
    const { next, before } = this.#stepper;
    if (this.#states.find(next, before) >= 0) return;
    const state = this.#states.add(next, before);
    if (state >= this.#from.length) {
      this.#from = doubled(this.#from);
      this.#letter = doubled(this.#letter);
    }
    this.#from[state] = from;
    this.#letter[state] = codePoint;
  }

  #textTo(state: number): string {
    const letters: number[] = [];
    for (let s = state; this.#from[s] !== 0; s = this.#from[s]!) letters.push(this.#letter[s]!);
    return String.fromCodePoint(...letters.reverse());
  }
}
