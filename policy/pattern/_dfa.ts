// A deterministic automaton that is built while it is used. It answers which pattern of a program
// matches, in one pass over the text.
//
// Its memory is bounded: when the states fill their share, they are dropped and building starts
// again. A new state costs one step of the nondeterministic machine, which looks at each
// instruction at most a fixed number of times; so the time stays linear in the text, whatever the
// patterns and the texts.
import type { Program } from "./_program.ts";
import { Stepper } from "./_stepper.ts";

/** Entries of the table: 0 is not built yet, a positive one is a row, a negative one a verdict. */
const UNKNOWN = 0;
const NO_MATCH = -1;
const MIN_STATES = 8;
const NO_STATE = -1;

export class Dfa {
  readonly #stepper: Stepper;
  readonly #ascii: Int32Array;
  /** Entries in a row: one for each class and one for the end of the text. */
  readonly #stride: number;
  readonly #patterns: number;
  readonly maxStates: number;
  #table: Int32Array;
  #sets: Int32Array;
  /** The lowest pattern that matched on the way to a state; the number of patterns if none did. */
  #best: Int32Array;
  #before: Uint8Array;
  #states = 0;
  #start = UNKNOWN;
  readonly #byHash = new Map<number, number>();
  #nextSameHash: Int32Array;
  /** How often the states were dropped. */
  overflows = 0;

  constructor(program: Program, maxBytes: number) {
    this.#stepper = new Stepper(program);
    this.#ascii = this.#stepper.alphabet.ascii;
    this.#stride = this.#stepper.alphabet.size + 1;
    this.#patterns = program.starts.length;
    const stateBytes = 4 * (this.#stride + this.#stepper.words) + 64;
    this.maxStates = Math.max(MIN_STATES, Math.floor(maxBytes / stateBytes));
    const rows = Math.min(16, this.maxStates) + 1;
    this.#table = new Int32Array(rows * this.#stride);
    this.#sets = new Int32Array(rows * this.#stepper.words);
    this.#best = new Int32Array(rows);
    this.#before = new Uint8Array(rows);
    this.#nextSameHash = new Int32Array(rows);
  }

  /** Instructions looked at while building, since the beginning. */
  get visits(): number {
    return this.#stepper.visits;
  }

  get states(): number {
    return this.#states;
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
    return this.#start = this.#stateFor(this.#patterns);
  }

  #build(row: number, charClass: number): number {
    const state = row / this.#stride;
    const best = this.#best[state]!;
    const { words } = this.#stepper;
    this.#stepper.step(this.#sets, state * words, this.#before[state]!, charClass);
    const overflowsBefore = this.overflows;
    const entry = charClass === this.#stride - 1
      ? decided(this.#lowest(best), this.#patterns)
      : this.#stateFor(best);
    // After an overflow the row that led here is gone.
    if (this.overflows === overflowsBefore) this.#table[row + charClass] = entry;
    return entry;
  }

  #lowest(best: number): number {
    for (const hit of this.#stepper.hits) if (hit < best) best = hit;
    return best;
  }

  /** The row of the state that the stepper reached, or a verdict if nothing can change it. */
  #stateFor(bestBefore: number): number {
    const stepper = this.#stepper;
    const best = this.#lowest(bestBefore);
    // A pattern that cannot become the lowest match need not be followed.
    if (best < this.#patterns) {
      stepper.drop(stepper.firstPosition[best]!, stepper.firstPosition[this.#patterns]!);
    }
    if (stepper.isEmpty) return decided(best, this.#patterns);
    const hash = this.#hash(best);
    for (let s = this.#byHash.get(hash) ?? NO_STATE; s !== NO_STATE; s = this.#nextSameHash[s]!) {
      if (this.#isState(s, best)) return s * this.#stride;
    }
    if (this.#states >= this.maxStates) this.#dropAll();
    return this.#add(hash, best) * this.#stride;
  }

  #hash(best: number): number {
    const { next, before } = this.#stepper;
    let hash = best * 4 + before;
    for (let i = 0; i < next.length; i++) {
      hash = Math.imul(hash ^ next[i]!, 0x01000193) ^ hash >>> 15;
    }
    return hash;
  }

  #isState(state: number, best: number): boolean {
    const { next, words, before } = this.#stepper;
    if (this.#best[state] !== best || this.#before[state] !== before) return false;
    const offset = state * words;
    for (let i = 0; i < words; i++) if (this.#sets[offset + i] !== next[i]) return false;
    return true;
  }

  #add(hash: number, best: number): number {
    const state = ++this.#states; // Row 0 stays empty, so that 0 can mean "not built".
    if (state >= this.#best.length) this.#grow();
    this.#sets.set(this.#stepper.next, state * this.#stepper.words);
    this.#best[state] = best;
    this.#before[state] = this.#stepper.before;
    this.#nextSameHash[state] = this.#byHash.get(hash) ?? NO_STATE;
    this.#byHash.set(hash, state);
    return state;
  }

  #grow(): void {
    const rows = Math.min(this.#best.length * 2, this.maxStates + 1);
    this.#table = resized(this.#table, rows * this.#stride);
    this.#sets = resized(this.#sets, rows * this.#stepper.words);
    this.#best = resized(this.#best, rows);
    this.#nextSameHash = resized(this.#nextSameHash, rows);
    const before = new Uint8Array(rows);
    before.set(this.#before);
    this.#before = before;
  }

  #dropAll(): void {
    this.overflows++;
    this.#states = 0;
    this.#start = UNKNOWN;
    this.#table.fill(UNKNOWN);
    this.#byHash.clear();
  }
}

function resized(values: Int32Array, length: number): Int32Array {
  const larger = new Int32Array(length);
  larger.set(values);
  return larger;
}

function decided(best: number, patterns: number): number {
  return best < patterns ? -best - 2 : NO_MATCH;
}

function verdict(entry: number): number {
  return entry === NO_MATCH ? -1 : -entry - 2;
}
