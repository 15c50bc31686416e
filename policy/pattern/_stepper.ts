// One step of a program's nondeterministic machine, on sets of positions. The automata that are
// built on it (the lazy one that matches, the complete one that proves) decide what to keep.
import { Accepting } from "./_accepting.ts";
import { Alphabet } from "./_alphabet.ts";
import type { Program } from "./_program.ts";
import { ASSERTION_CODES, FIRST_LOOKAHEAD, Op } from "./_program.ts";

/** What came before a place, as far as assertions can ask. */
export const Before = { START: 0, NEWLINE: 1, WORD: 2, OTHER: 3 } as const;

/** Instructions that a short way may have; beyond, marks make sure that none is followed twice. */
const MAX_NEAR = 12;

export class Stepper {
  readonly alphabet: Alphabet;
  /** Length in words of a set of positions. */
  readonly words: number;
  /** The set that the last step reached, and what stands before it (OTHER where nothing asks). */
  readonly next: Int32Array;
  before: number = Before.OTHER;
  /** The patterns that the last step found to match. */
  readonly hits: number[] = [];
  /** First position of each pattern, and their total at the end: positions go up with patterns. */
  readonly firstPosition: Int32Array;
  /** Instructions looked at so far; what a test of linear time counts. */
  visits = 0;

  readonly #program: Program;
  /** The number of each CHAR and look-ahead ASSERT among all positions, else -1. */
  readonly #position: Int32Array;
  readonly #instruction: Int32Array;
  /** For each position, where `#near` lists what it goes on to; equal bounds: ask `#follow`. */
  readonly #nearStart: Int32Array;
  readonly #near: Int32Array;
  /** Whether nothing but the end of the text is looked ahead to. */
  readonly #simple: boolean;
  /** The positions that go on to the one below and to no other. */
  readonly #chained: Int32Array;
  readonly #accepting: Accepting;
  readonly #marks: Uint32Array;
  #mark = 0;
  readonly #stack: Int32Array;
  readonly #active: Int32Array;
  #activeCount = 0;

  constructor(program: Program) {
    const size = program.op.length;
    this.#program = program;
    this.alphabet = new Alphabet(program);
    this.#position = new Int32Array(size).fill(-1);
    this.firstPosition = new Int32Array(program.starts.length + 1);
    const instructions: number[] = [];
    for (let pc = 0, id = 0; pc < size; pc++) {
      const op = program.op[pc];
      // MATCH is the first instruction of each pattern: programs are built from the end.
      if (op === Op.MATCH) this.firstPosition[id++] = instructions.length;
      const waits = op === Op.ASSERT && program.arg[pc]! >= FIRST_LOOKAHEAD;
      if (op === Op.CHAR || waits) this.#position[pc] = instructions.push(pc) - 1;
    }
    this.firstPosition[program.starts.length] = instructions.length;
    this.#instruction = Int32Array.from(instructions);
    this.words = (instructions.length + 31) >> 5;
    this.next = new Int32Array(this.words);
    this.#marks = new Uint32Array(size);
    // Each instruction pushes at most two, once in a generation of marks.
    this.#stack = new Int32Array(2 * size + 2);
    this.#active = new Int32Array(instructions.length);
    this.#nearStart = new Int32Array(instructions.length + 1);
    const near: number[] = [];
    instructions.forEach((pc, position) => {
      if (program.op[pc] === Op.CHAR) near.push(...this.#nearby(program.out[pc]!));
      this.#nearStart[position + 1] = near.length;
    });
    this.#near = Int32Array.from(near);
    this.#accepting = new Accepting(program, this.alphabet, this.#instruction);
    this.#simple = program.assertions < 2 << ASSERTION_CODES.end_text;
    this.#chained = new Int32Array(this.words);
    for (let p = 1; p < instructions.length; p++) {
      const start = this.#nearStart[p]!;
      const single = this.#nearStart[p + 1] === start + 1 && near[start] === p - 1;
      if (single) this.#chained[p >> 5]! |= 1 << (p & 31);
    }
  }

  /** Sets `next` to where all patterns begin. */
  start(): void {
    this.#begin();
    for (const pc of this.#program.starts) this.#follow(pc, Before.START, -1);
    this.#finish(Before.START);
  }

  /**
   * Sets `next` to what one character of a class, or the end of the text, leads to from the set at
   * `offset` in `sets`.
   */
  step(sets: Int32Array, offset: number, before: number, charClass: number): void {
    this.#begin();
    const { alphabet } = this;
    if (this.#simple && charClass !== alphabet.size) {
      return this.#stepSimple(sets, offset, charClass);
    }
    const { assertions, op, out, arg } = this.#program;
    const after = alphabet.isWord[charClass]
      ? Before.WORD
      : alphabet.isNewline[charClass]
      ? Before.NEWLINE
      : Before.OTHER;
    this.#load(sets, offset);
    if (assertions >= 1 << FIRST_LOOKAHEAD) this.#resolve(before, charClass);
    this.#renewMarks();
    const count = charClass === alphabet.size ? 0 : this.#activeCount;
    this.visits += count;
    for (let i = 0; i < count; i++) {
      const pc = this.#active[i]!;
      if (op[pc] !== Op.CHAR || !alphabet.holds(arg[pc]!, charClass)) continue;
      this.#goOn(this.#position[pc]!, out[pc]!, after);
    }
    this.#finish(after);
  }

  /** The same where a character decides alone: whole words of positions at a time. */
  #stepSimple(sets: Int32Array, offset: number, charClass: number): void {
    const { out } = this.#program;
    const { next, words } = this;
    const after = this.alphabet.isNewline[charClass] ? Before.NEWLINE : Before.OTHER;
    let accepting = this.#accepting.get(charClass);
    if (!accepting) {
      accepting = this.#accepting.make(charClass);
      this.visits += this.#instruction.length;
    }
    this.visits += words;
    for (let w = 0; w < words; w++) {
      const taken = sets[offset + w]! & accepting[w]!;
      const chain = taken & this.#chained[w]!;
      next[w]! |= chain >>> 1;
      if (chain & 1) next[w - 1]! |= 1 << 31;
      for (let rest = taken & ~chain; rest !== 0; rest &= rest - 1) {
        const position = (w << 5) + 31 - Math.clz32(rest & -rest);
        this.visits++;
        this.#goOn(position, out[this.#instruction[position]!]!, after);
      }
    }
    this.before = Before.OTHER;
    if (after !== Before.OTHER) this.#finish(after);
  }

  /** Adds to `next` what the character at a position leads to. */
  #goOn(position: number, out: number, after: number): void {
    const end = this.#nearStart[position + 1]!;
    let n = this.#nearStart[position]!;
    if (n === end) {
      this.#follow(out, after, -1);
      return;
    }
    this.visits += end - n;
    for (; n < end; n++) {
      const reached = this.#near[n]!;
      this.next[reached >> 5]! |= 1 << (reached & 31);
    }
  }

  /**
   * The positions that an entry leads to after any character; none where they are many, or where
   * they depend on the character, or where a match is among them.
   */
  #nearby(entry: number): number[] {
    const { op, out, arg } = this.#program;
    const found: number[] = [];
    const seen = [entry];
    for (const pc of seen) {
      if (op[pc] === Op.MATCH || seen.length > MAX_NEAR) return [];
      if (op[pc] === Op.ALT) {
        for (const way of [out[pc]!, arg[pc]!]) if (!seen.includes(way)) seen.push(way);
      } else if (op[pc] === Op.SAVE) seen.push(out[pc]!);
      else if (this.#position[pc]! >= 0) found.push(this.#position[pc]!);
      else if (arg[pc] !== ASSERTION_CODES.begin_text) return []; // It never holds after a character.
    }
    return found;
  }

  /** Takes the positions in [from, to) out of `next`. */
  drop(from: number, to: number): void {
    for (let p = from; p < to;) {
      if ((p & 31) === 0 && p + 32 <= to) {
        this.next[p >> 5] = 0;
        p += 32;
      } else {
        this.next[p >> 5]! &= ~(1 << (p & 31));
        p++;
      }
    }
  }

  get isEmpty(): boolean {
    for (let i = 0; i < this.words; i++) if (this.next[i] !== 0) return false;
    return true;
  }

  #begin(): void {
    this.next.fill(0);
    this.hits.length = 0;
    this.#renewMarks();
  }

  #renewMarks(): void {
    if (++this.#mark === 0xffffffff) {
      this.#marks.fill(0);
      this.#mark = 1;
    }
  }

  #load(sets: Int32Array, offset: number): void {
    let count = 0;
    for (let w = 0; w < this.words; w++) {
      let word = sets[offset + w]!;
      while (word !== 0) {
        const bit = 31 - Math.clz32(word & -word);
        this.#active[count++] = this.#instruction[(w << 5) + bit]!;
        word &= word - 1;
      }
    }
    this.#activeCount = count;
  }

  /** Goes on from assertions that the next character fulfils. */
  #resolve(before: number, charClass: number): void {
    const { op } = this.#program;
    for (let i = 0; i < this.#activeCount; i++) this.#marks[this.#active[i]!] = this.#mark;
    for (let i = 0, waiting = this.#activeCount; i < waiting; i++) {
      const pc = this.#active[i]!;
      if (op[pc] === Op.ASSERT && this.#holds(this.#program.arg[pc]!, before, charClass)) {
        this.#follow(this.#program.out[pc]!, before, charClass);
      }
    }
  }

  /**
   * Follows all instructions that consume nothing. With a known next character (`charClass` not
   * negative) every assertion is decided and characters join the active list; otherwise what must
   * look ahead waits in `next`, as characters do.
   */
  #follow(entry: number, before: number, charClass: number): void {
    const { op, out, arg } = this.#program;
    const stack = this.#stack;
    const marks = this.#marks;
    const mark = this.#mark;
    let visits = 0;
    let depth = 0;
    stack[depth++] = entry;
    while (depth > 0) {
      const pc = stack[--depth]!;
      if (marks[pc] === mark) continue;
      marks[pc] = mark;
      visits++;
      switch (op[pc]) {
        case Op.ALT:
          stack[depth++] = arg[pc]!;
          stack[depth++] = out[pc]!;
          break;
        case Op.SAVE:
          stack[depth++] = out[pc]!;
          break;
        case Op.MATCH:
          this.hits.push(arg[pc]!);
          break;
        case Op.ASSERT:
          if (charClass < 0 && arg[pc]! >= FIRST_LOOKAHEAD) this.#wait(pc);
          else if (this.#holds(arg[pc]!, before, charClass)) stack[depth++] = out[pc]!;
          break;
        default:
          if (charClass < 0) this.#wait(pc);
          else this.#active[this.#activeCount++] = pc;
      }
    }
    this.visits += visits;
  }

  #wait(pc: number): void {
    const position = this.#position[pc]!;
    this.next[position >> 5]! |= 1 << (position & 31);
  }

  #holds(assertion: number, before: number, charClass: number): boolean {
    const { alphabet } = this;
    switch (assertion) {
      case ASSERTION_CODES.begin_text:
        return before === Before.START;
      case ASSERTION_CODES.begin_line:
        return before === Before.START || before === Before.NEWLINE;
      case ASSERTION_CODES.end_text:
        return charClass === alphabet.size;
      case ASSERTION_CODES.end_line:
        return charClass === alphabet.size || alphabet.isNewline[charClass] === 1;
      default: {
        const boundary = (before === Before.WORD) !== (alphabet.isWord[charClass] === 1);
        return boundary === (assertion === ASSERTION_CODES.word_boundary);
      }
    }
  }

  /** Forgets what stands before where nothing in the set can ask, so that equal states are one. */
  #finish(before: number): void {
    this.before = before !== Before.OTHER && this.#anyWaiting() ? before : Before.OTHER;
  }

  #anyWaiting(): boolean {
    const { op } = this.#program;
    for (let w = 0; w < this.words; w++) {
      for (let word = this.next[w]!; word !== 0; word &= word - 1) {
        const bit = 31 - Math.clz32(word & -word);
        if (op[this.#instruction[(w << 5) + bit]!] === Op.ASSERT) return true;
      }
    }
    return false;
  }
}
