// Pike's machine: where an expression matches, with its groups, in leftmost-first order (the one
// that Go and Perl agree on). Linear in the text for one search.
import { Alphabet } from "./_alphabet.ts";
import type { Program } from "./_program.ts";
import { ASSERTION_CODES, Op } from "./_program.ts";

/** Start and end of the match and of each group in turn, in code units; -1 for groups not taken. */
export type Slots = Int32Array;

interface Threads {
  readonly pcs: Int32Array;
  readonly slots: Int32Array;
  count: number;
}

export class Pike {
  readonly #program: Program;
  readonly #alphabet: Alphabet;
  readonly #width: number;
  readonly #marks: Uint32Array;
  #mark = 0;
  #now: Threads;
  #then: Threads;

  constructor(program: Program, groups: number) {
    const size = program.op.length;
    this.#program = program;
    this.#alphabet = new Alphabet(program);
    this.#width = 2 * groups;
    this.#marks = new Uint32Array(size);
    this.#now = threads(size, this.#width);
    this.#then = threads(size, this.#width);
  }

  /** The leftmost match at or after `from`, undefined if there is none. */
  search(text: string, from: number): Slots | undefined {
    let found: Slots | undefined;
    const fresh = new Int32Array(this.#width);
    this.#now.count = 0;
    this.#mark++;
    for (let at = from;;) {
      // A thread that starts here ranks behind all that started before it.
      if (!found) this.#add(this.#now, this.#program.starts[0]!, text, at, fresh.fill(-1));
      if (found && this.#now.count === 0) return found;
      const codePoint = text.codePointAt(at);
      const after = at + (codePoint === undefined ? 0 : codePoint > 0xffff ? 2 : 1);
      found = this.#step(text, codePoint, after) ?? found;
      if (codePoint === undefined) return found;
      [this.#now, this.#then] = [this.#then, this.#now];
      at = after;
    }
  }

  /** Moves every thread over one character; a match cuts off those that rank behind it. */
  #step(text: string, codePoint: number | undefined, after: number): Slots | undefined {
    const { op, out, arg } = this.#program;
    const now = this.#now;
    this.#then.count = 0;
    this.#mark++;
    const charClass = codePoint === undefined ? -1 : this.#alphabet.classOf(codePoint);
    for (let i = 0; i < now.count; i++) {
      const pc = now.pcs[i]!;
      const slots = now.slots.subarray(i * this.#width, (i + 1) * this.#width);
      if (op[pc] === Op.MATCH) return slots.slice();
      if (charClass >= 0 && this.#alphabet.holds(arg[pc]!, charClass)) {
        this.#add(this.#then, out[pc]!, text, after, slots.slice());
      }
    }
    return undefined;
  }

  /** Follows what consumes nothing, preferred ways first; `slots` is changed and put back. */
  #add(list: Threads, entry: number, text: string, at: number, slots: Slots): void {
    const { op, out, arg } = this.#program;
    // Undoing a slot is a task of its own: [~slot, old value]; else [pc, unused].
    const tasks: number[] = [entry, 0];
    while (tasks.length > 0) {
      const value = tasks.pop()!;
      const pc = tasks.pop()!;
      if (pc < 0) {
        slots[~pc] = value;
        continue;
      }
      if (this.#marks[pc] === this.#mark) continue;
      this.#marks[pc] = this.#mark;
      switch (op[pc]) {
        case Op.ALT:
          tasks.push(arg[pc]!, 0, out[pc]!, 0);
          break;
        case Op.SAVE:
          tasks.push(~arg[pc]!, slots[arg[pc]!]!, out[pc]!, 0);
          slots[arg[pc]!] = at;
          break;
        case Op.ASSERT:
          if (holds(arg[pc]!, text, at)) tasks.push(out[pc]!, 0);
          break;
        default:
          list.slots.set(slots, list.count * this.#width);
          list.pcs[list.count++] = pc;
      }
    }
  }
}

function threads(size: number, width: number): Threads {
  return { pcs: new Int32Array(size), slots: new Int32Array(size * width), count: 0 };
}

function holds(assertion: number, text: string, at: number): boolean {
  switch (assertion) {
    case ASSERTION_CODES.begin_text:
      return at === 0;
    case ASSERTION_CODES.begin_line:
      return at === 0 || text[at - 1] === "\n";
    case ASSERTION_CODES.end_text:
      return at === text.length;
    case ASSERTION_CODES.end_line:
      return at === text.length || text[at] === "\n";
    default: {
      const boundary = isWord(text, at - 1) !== isWord(text, at);
      return boundary === (assertion === ASSERTION_CODES.word_boundary);
    }
  }
}

function isWord(text: string, at: number): boolean {
  const c = text.charCodeAt(at);
  const letter = c | 0x20;
  return (c >= 0x30 && c <= 0x39) || (letter >= 0x61 && letter <= 0x7a) || c === 0x5f;
}
