// Code points grouped into the classes that a program cannot tell apart, so that a state of the
// automaton needs one entry for each class instead of one for each code point.
import type { CharSet } from "./_charset.ts";
import { ANY_BUT_NEWLINE, MAX_CODE_POINT, WORD } from "./_charset.ts";
import type { Program } from "./_program.ts";
import { ASSERTION_CODES } from "./_program.ts";

const ASCII = 128;

export class Alphabet {
  /** Number of classes; as a class, it stands for the end of the text. */
  readonly size: number;
  /** The class of each ASCII character. */
  readonly ascii: Int32Array;
  readonly isWord: Uint8Array;
  readonly isNewline: Uint8Array;
  readonly #starts: Int32Array;
  readonly #classes: Int32Array;
  /** One bit for each set and class. */
  readonly #members: Int32Array;
  readonly #rowWords: number;

  constructor(program: Program) {
    const sets: CharSet[] = [...program.sets];
    const needed = program.assertions;
    const words = 1 << ASSERTION_CODES.word_boundary | 1 << ASSERTION_CODES.no_word_boundary;
    const lines = 1 << ASSERTION_CODES.begin_line | 1 << ASSERTION_CODES.end_line;
    // WORD and the newline are told apart only where an assertion asks.
    if (needed & words) sets.push(WORD);
    if (needed & lines) sets.push(ANY_BUT_NEWLINE);
    this.#starts = intervalStarts(sets);
    const { classes, size } = refine(this.#starts, sets);
    this.#classes = classes;
    this.size = size;
    this.#rowWords = (size + 31) >> 5;
    this.#members = new Int32Array(program.sets.length * this.#rowWords);
    program.sets.forEach((set, id) => {
      forEachInterval(this.#starts, set, (i) => {
        const c = classes[i]!;
        this.#members[id * this.#rowWords + (c >> 5)]! |= 1 << (c & 31);
      });
    });
    this.ascii = Int32Array.from({ length: ASCII }, (_, c) => classes[this.#interval(c)]!);
    this.isWord = new Uint8Array(size + 1);
    this.isNewline = new Uint8Array(size + 1);
    if (needed & words) {
      forEachInterval(this.#starts, WORD, (i) => this.isWord[classes[i]!] = 1);
    }
    if (needed & lines) this.isNewline[this.classOf(0x0a)] = 1;
  }

  classOf(codePoint: number): number {
    return this.#classes[this.#interval(codePoint)]!;
  }

  /** Whether the set with this number holds the characters of a class. */
  holds(set: number, charClass: number): boolean {
    const word = this.#members[set * this.#rowWords + (charClass >> 5)]!;
    return (word >>> (charClass & 31) & 1) === 1;
  }

  /** The ranges of each class, low and high in turn. */
  ranges(): number[][] {
    const out: number[][] = Array.from({ length: this.size }, () => []);
    this.#starts.forEach((start, i) => {
      const end = this.#starts[i + 1] ?? MAX_CODE_POINT + 1;
      out[this.#classes[i]!]!.push(start, end - 1);
    });
    return out;
  }

  #interval(codePoint: number): number {
    return intervalOf(this.#starts, codePoint);
  }
}

function intervalStarts(sets: readonly CharSet[]): Int32Array {
  const cuts = new Set([0]);
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2) {
      cuts.add(set[i]!);
      if (set[i + 1]! < MAX_CODE_POINT) cuts.add(set[i + 1]! + 1);
    }
  }
  return Int32Array.from(cuts).sort();
}

/** Splits the one class of all intervals by each set in turn. */
function refine(starts: Int32Array, sets: readonly CharSet[]) {
  const classes = new Int32Array(starts.length);
  let size = 1;
  for (const set of sets) {
    const total = new Uint32Array(size);
    for (const c of classes) total[c]!++;
    const inside = new Uint32Array(size);
    forEachInterval(starts, set, (i) => inside[classes[i]!]!++);
    const moved = new Map<number, number>();
    let next = size;
    forEachInterval(starts, set, (i) => {
      const old = classes[i]!;
      if (inside[old] === total[old]) return;
      let fresh = moved.get(old);
      if (fresh === undefined) moved.set(old, fresh = next++);
      classes[i] = fresh;
    });
    size = next;
  }
  return { classes, size };
}

function forEachInterval(
  starts: Int32Array,
  set: CharSet,
  visit: (interval: number) => void,
): void {
  for (let r = 0; r < set.length; r += 2) {
    for (let i = intervalOf(starts, set[r]!); i < starts.length; i++) {
      if (starts[i]! > set[r + 1]!) break;
      visit(i);
    }
  }
}

function intervalOf(starts: Int32Array, codePoint: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= codePoint) low = middle;
    else high = middle - 1;
  }
  return low;
}
