// Where an expression matches, with its groups, in leftmost-first order (the one that Go and Perl
// agree on), for all matches of a text together in time linear in it.
//
// One pass from the end notes for each place which instructions still lead to a match (Frisch and
// Cardelli, "Greedy regular expression matching"). The way forward can then take the first
// alternative that leads somewhere, and never tries one in vain: searching anew for each match, as
// Go does, takes quadratic time where a long alternative fails each time.
import { Alphabet } from "./_alphabet.ts";
import type { Program } from "./_program.ts";
import { ASSERTION_CODES, Op } from "./_program.ts";

/** Start and end of the match and of each group in turn, in code units; -1 for groups not taken. */
export type Slots = Int32Array;

/** Words of notes kept at a time; further ones are made again from rows kept here and there. */
const BLOCK_WORDS = 1 << 17;

/** An expression with its groups, ready for texts. */
export class Leftmost {
  readonly program: Program;
  readonly alphabet: Alphabet;
  readonly slots: number;
  /** Length in words of a row of notes: a bit for each instruction. */
  readonly words: number;
  /** For each instruction those that go on to it: CHARs, and those that consume nothing. */
  readonly charsBefore: readonly (readonly number[])[];
  readonly emptyBefore: readonly (readonly number[])[];
  readonly match: number;

  constructor(program: Program, groups: number) {
    const { op, out, arg } = program;
    this.program = program;
    this.alphabet = new Alphabet(program);
    this.slots = 2 * groups;
    this.words = (op.length + 31) >> 5;
    const chars: number[][] = Array.from(op, () => []);
    const empty: number[][] = Array.from(op, () => []);
    op.forEach((code, pc) => {
      if (code === Op.CHAR) chars[out[pc]!]!.push(pc);
      else if (code !== Op.MATCH) empty[out[pc]!]!.push(pc);
      if (code === Op.ALT) empty[arg[pc]!]!.push(pc);
    });
    this.charsBefore = chars;
    this.emptyBefore = empty;
    this.match = op.indexOf(Op.MATCH);
  }

  /** All matches in a text, from left to right. */
  *matches(text: string): Generator<Slots> {
    const scan = new Scan(this, text);
    for (let from = 0; from <= scan.length;) {
      const start = scan.nextStart(from);
      if (start < 0) return;
      const { slots, end } = scan.walk(start);
      yield slots;
      from = end > from ? end : from + 1;
    }
  }
}

/** One text. Places are counted in code points, from 0 to `length`. */
class Scan {
  readonly length: number;
  readonly #re: Leftmost;
  readonly #text: string;
  /** The code unit where each code point begins. */
  readonly #offsets: Int32Array;
  readonly #classes: Int32Array;
  /** Rows in a block, the first row of every block after the first, and the block at hand. */
  readonly #rows: number;
  readonly #kept: Int32Array;
  readonly #block: Int32Array;
  #blockAt = -1;
  readonly #marks: Int32Array;
  #live: number[] = [];

  constructor(re: Leftmost, text: string) {
    this.#re = re;
    this.#text = text;
    const offsets = new Int32Array(text.length + 1);
    const classes = new Int32Array(text.length);
    let length = 0;
    for (let i = 0; i < text.length; length++) {
      const codePoint = text.codePointAt(i)!;
      offsets[length] = i;
      classes[length] = re.alphabet.classOf(codePoint);
      i += codePoint > 0xffff ? 2 : 1;
    }
    offsets[length] = text.length;
    this.#offsets = offsets;
    this.#classes = classes;
    this.length = length;
    this.#rows = Math.max(64, Math.floor(BLOCK_WORDS / re.words));
    const blocks = Math.floor(length / this.#rows) + 1;
    this.#block = new Int32Array(Math.min(length + 1, this.#rows) * re.words);
    this.#kept = new Int32Array(blocks * re.words);
    this.#marks = new Int32Array(re.program.op.length).fill(-1);
    for (let block = blocks - 1; block >= 0; block--) {
      this.#fill(block);
      this.#kept.set(this.#block.subarray(0, re.words), block * re.words);
    }
  }

  /** The first place at or after `from` where a match starts, or -1. */
  nextStart(from: number): number {
    const entry = this.#re.program.starts[0]!;
    for (let at = from; at <= this.length; at++) if (this.#leads(entry, at)) return at;
    return -1;
  }

  /** The match that starts at a place where one does. */
  walk(start: number): { slots: Slots; end: number } {
    const { op, out } = this.#re.program;
    const slots = new Int32Array(this.#re.slots).fill(-1);
    let pc = this.#re.program.starts[0]!;
    for (let at = start;; at++) {
      pc = this.#follow(pc, at, slots);
      if (op[pc] === Op.MATCH) return { slots, end: at };
      pc = out[pc]!;
    }
  }

  /** The first instruction in order of preference that consumes, or ends, and leads to a match. */
  #follow(entry: number, at: number, slots: Slots): number {
    const { op, out, arg } = this.#re.program;
    const seen = new Set<number>();
    // Undoing a slot is a task of its own: [~slot, old value]; else [pc, unused].
    const tasks: number[] = [entry, 0];
    for (;;) {
      const value = tasks.pop()!;
      const pc = tasks.pop()!;
      if (pc < 0) {
        slots[~pc] = value;
        continue;
      }
      if (seen.has(pc) || !this.#leads(pc, at)) continue;
      seen.add(pc);
      switch (op[pc]) {
        case Op.ALT:
          tasks.push(arg[pc]!, 0, out[pc]!, 0);
          break;
        case Op.SAVE:
          tasks.push(~arg[pc]!, slots[arg[pc]!]!, out[pc]!, 0);
          slots[arg[pc]!] = this.#offsets[at]!;
          break;
        case Op.ASSERT:
          tasks.push(out[pc]!, 0);
          break;
        default:
          return pc;
      }
    }
  }

  /** Whether an instruction leads to a match from a place. */
  #leads(pc: number, at: number): boolean {
    const block = Math.floor(at / this.#rows);
    if (block !== this.#blockAt) this.#fill(block);
    const word = this.#block[(at % this.#rows) * this.#re.words + (pc >> 5)]!;
    return (word >>> (pc & 31) & 1) === 1;
  }

  /** Makes the rows of a block, from the row that follows it. */
  #fill(block: number): void {
    const { words } = this.#re;
    const first = block * this.#rows;
    const last = Math.min(first + this.#rows - 1, this.length);
    this.#live = last === this.length ? [] : bitsOf(this.#kept, (block + 1) * words, words);
    this.#block.fill(0);
    for (let at = last; at >= first; at--) this.#makeRow(at, (at - first) * words);
    this.#blockAt = block;
  }

  /** From what is live after a place's character to what is live before it. */
  #makeRow(at: number, row: number): void {
    const { program, alphabet, charsBefore, emptyBefore, match } = this.#re;
    const live = [match];
    for (const pc of this.#live) {
      for (const before of charsBefore[pc]!) {
        if (alphabet.holds(program.arg[before]!, this.#classes[at]!)) live.push(before);
      }
    }
    for (const pc of live) {
      for (const before of emptyBefore[pc]!) {
        if (this.#marks[before] === at) continue;
        if (program.op[before] === Op.ASSERT && !this.#holds(program.arg[before]!, at)) continue;
        this.#marks[before] = at;
        live.push(before);
      }
    }
    for (const pc of live) {
      this.#block[row + (pc >> 5)]! |= 1 << (pc & 31);
      this.#marks[pc] = -1;
    }
    this.#live = live;
  }

  #holds(assertion: number, at: number): boolean {
    const offset = this.#offsets[at]!;
    const text = this.#text;
    switch (assertion) {
      case ASSERTION_CODES.begin_text:
        return offset === 0;
      case ASSERTION_CODES.begin_line:
        return offset === 0 || text[offset - 1] === "\n";
      case ASSERTION_CODES.end_text:
        return offset === text.length;
      case ASSERTION_CODES.end_line:
        return offset === text.length || text[offset] === "\n";
      default: {
        const boundary = isWord(text, offset - 1) !== isWord(text, offset);
        return boundary === (assertion === ASSERTION_CODES.word_boundary);
      }
    }
  }
}

function bitsOf(words: Int32Array, offset: number, count: number): number[] {
  const bits: number[] = [];
  for (let w = 0; w < count; w++) {
    for (let word = words[offset + w]!; word !== 0; word &= word - 1) {
      bits.push((w << 5) + 31 - Math.clz32(word & -word));
    }
  }
  return bits;
}

function isWord(text: string, at: number): boolean {
  const c = text.charCodeAt(at);
  const letter = c | 0x20;
  return (c >= 0x30 && c <= 0x39) || (letter >= 0x61 && letter <= 0x7a) || c === 0x5f;
}
