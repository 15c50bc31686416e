// For each class of characters, the positions of a program that take one of them: a bit each, so
// that a step goes on from whole words of positions at a time.
import type { Alphabet } from "./_alphabet.ts";
import type { Program } from "./_program.ts";
import { Op } from "./_program.ts";

/** Words that are kept; a program with many classes gets slower, not larger. */
const MAX_WORDS = 1 << 14;

export class Accepting {
  readonly #kept = new Map<number, Int32Array>();
  readonly #words: number;

  /** `instructions` holds the instruction of each position. */
  constructor(
    private readonly program: Program,
    private readonly alphabet: Alphabet,
    private readonly instructions: Int32Array,
  ) {
    this.#words = (instructions.length + 31) >> 5;
  }

  /** What was made before; `undefined` for `make`. */
  get(charClass: number): Int32Array | undefined {
    return this.#kept.get(charClass);
  }

  /** Looks at every position once. */
  make(charClass: number): Int32Array {
    const { op, arg } = this.program;
    const bits = new Int32Array(this.#words);
    this.instructions.forEach((pc, position) => {
      if (op[pc] === Op.CHAR && this.alphabet.holds(arg[pc]!, charClass)) {
        bits[position >> 5]! |= 1 << (position & 31);
      }
    });
    if ((this.#kept.size + 1) * this.#words > MAX_WORDS) this.#kept.clear();
    this.#kept.set(charClass, bits);
    return bits;
  }
}
