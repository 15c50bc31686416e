// A deterministic automaton that is built while it is used. It answers which pattern of a program
// matches, in one pass over the text.
//
// Its memory is bounded: when the states fill their share, they are dropped and building starts
// again. A new state costs one step of the nondeterministic machine, which looks at each
// instruction at most a fixed number of times; so the time stays linear in the text, whatever the
// patterns and the texts.
import type { Program } from "./_program.ts";
import { doubled, States } from "./_states.ts";
import { Stepper } from "./_stepper.ts";

/** Entries of the table: 0 is not built yet, a positive one is a row, a negative one a verdict. */
const UNKNOWN = 0;
const NO_MATCH = -1;
const MIN_STATES = 8;
/** Bytes that keeping a state costs beside its set and its row. */
const STATE_OVERHEAD = 64;

export class Dfa {
  readonly maxStates: number;
  /** How often the states were dropped. */
  overflows = 0;
  readonly #stepper: Stepper;
  readonly #ascii: Int32Array;
  /** Entries in a row: one for each class and one for the end of the text. */
  readonly #stride: number;
  readonly #patterns: number;
  /**
   * A tag holds what stands before a state and the lowest pattern that matched on the way to it:
   * the number of patterns if none did.
   */
  readonly #states: States;
  #table: Int32Array;
  #start = UNKNOWN;

  constructor(program: Program, maxBytes: number) {
    this.#stepper = new Stepper(program);
    this.#ascii = this.#stepper.alphabet.ascii;
    this.#stride = this.#stepper.alphabet.size + 1;
    this.#patterns = program.starts.length;
    const stateBytes = 4 * (this.#stride + this.#stepper.words) + STATE_OVERHEAD;
    this.maxStates = Math.max(MIN_STATES, Math.floor(maxBytes / stateBytes));
    this.#states = new States(this.#stepper.words);
    this.#table = new Int32Array(8 * this.#stride);
  }

  /** Instructions looked at while building, since the beginning. */
  get visits(): number {
    return this.#stepper.visits;
  }

  get states(): number {
    return this.#states.count;
  }

  /** The lowest number of a pattern that matches, or -1. */
  match(text: string): number {
    const ascii = this.#ascii;
    const length = text.length;
    let row = this.#start === UNKNOWN ? this.#buildStart() : this.#start;
    let table = this.#table;
    for (let i = 0; i < length && row > 0; i++) {
      const unit = text.charCodeAt(i);
      let charClass: number;
      if (unit < 128) charClass = ascii[unit]!;
      else {
        const codePoint = text.codePointAt(i)!;
        if (codePoint > 0xffff) i++;
        charClass = this.#stepper.alphabet.classOf(codePoint);
      }
      let entry = table[row + charClass]!;
      if (entry === UNKNOWN) {
        entry = this.#build(row, charClass);
        table = this.#table;
      }
      row = entry;
    }
    if (row > 0) {
      const end = this.#stride - 1;
      row = this.#table[row + end]! || this.#build(row, end);
    }
    return verdict(row);
  }

  #buildStart(): number {
    this.#stepper.start();
    return this.#start = this.#reached(this.#patterns);
  }

  #build(row: number, charClass: number): number {
    const state = row / this.#stride;
    const tag = this.#states.tags[state]!;
    const best = tag >> 2;
    this.#stepper.step(this.#states.sets, state * this.#states.words, tag & 3, charClass);
    const overflowsBefore = this.overflows;
    const entry = charClass === this.#stride - 1
      ? decided(this.#lowest(best), this.#patterns)
      : this.#reached(best);
    // After an overflow the row that led here is gone.
    if (this.overflows === overflowsBefore) this.#table[row + charClass] = entry;
    return entry;
  }

  #lowest(best: number): number {
    for (const hit of this.#stepper.hits) if (hit < best) best = hit;
    return best;
  }

  /** The row of the state that the stepper reached, or a verdict if nothing can change it. */
  #reached(bestBefore: number): number {
    const stepper = this.#stepper;
    const best = this.#lowest(bestBefore);
    // A pattern that cannot become the lowest match need not be followed.
    if (best < this.#patterns) {
      stepper.drop(stepper.firstPosition[best]!, stepper.firstPosition[this.#patterns]!);
    }
    if (stepper.isEmpty) return decided(best, this.#patterns);
    const tag = best << 2 | stepper.before;
    let state = this.#states.find(stepper.next, tag);
    if (state < 0) {
      if (this.#states.count >= this.maxStates) this.#dropAll();
      state = this.#states.add(stepper.next, tag);
      if ((state + 1) * this.#stride > this.#table.length) this.#table = doubled(this.#table);
    }
    return state * this.#stride;
  }

  #dropAll(): void {
    this.overflows++;
    this.#states.clear();
    this.#start = UNKNOWN;
    this.#table.fill(UNKNOWN);
  }
}

function decided(best: number, patterns: number): number {
  return best < patterns ? -best - 2 : NO_MATCH;
}

function verdict(entry: number): number {
  return entry === NO_MATCH ? -1 : -entry - 2;
}
