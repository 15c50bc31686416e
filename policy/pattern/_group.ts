import type { Node } from "./_ast.ts";
import { Dfa } from "./_dfa.ts";
import { compileSearch } from "./_program.ts";

/** A pattern's tree and its index in the whole set. */
export interface Member {
  readonly node: Node;
  readonly index: number;
}

/** Under so many characters for each state, building states again and again does not pay. */
const MIN_REUSE = 16;
const MIN_BYTES = 32 * 1024;

/**
 * Expressions that share one automaton. A group whose states multiply faster than texts use them
 * splits in two: the states of a pair of groups add up where those of one group multiply.
 */
export class Group {
  readonly #members: readonly Member[];
  readonly #bytes: number;
  #dfa: Dfa | undefined;
  #halves: readonly [Group, Group] | undefined;
  #characters = 0;
  #overflows = 0;

  constructor(members: readonly Member[], bytes: number) {
    this.#members = members;
    this.#bytes = Math.max(bytes, MIN_BYTES);
  }

  /** Whether one automaton was not enough. */
  get isSplit(): boolean {
    return this.#halves !== undefined;
  }

  /** States kept now, in all its automata. */
  get states(): number {
    return this.#halves ? this.#halves[0].states + this.#halves[1].states : this.#dfa?.states ?? 0;
  }

  /** The lowest index that matches; Infinity for none. */
  lowest(text: string): number {
    if (this.#halves) return Math.min(this.#halves[0].lowest(text), this.#halves[1].lowest(text));
    const dfa = this.#dfa ??= this.#build();
    const member = dfa.match(text);
    this.#characters += text.length + 1;
    if (dfa.overflows !== this.#overflows) this.#overflowed(dfa);
    return member < 0 ? Infinity : this.#members[member]!.index;
  }

  #build(): Dfa {
    return new Dfa(compileSearch(this.#members.map((member) => member.node)), this.#bytes);
  }

  #overflowed(dfa: Dfa): void {
    const used = this.#characters / (dfa.overflows - this.#overflows);
    this.#overflows = dfa.overflows;
    this.#characters = 0;
    if (used >= MIN_REUSE * dfa.maxStates || this.#members.length === 1) return;
    const middle = this.#members.length >> 1;
    this.#halves = [
      new Group(this.#members.slice(0, middle), this.#bytes / 2),
      new Group(this.#members.slice(middle), this.#bytes / 2),
    ];
    this.#dfa = undefined;
  }
}
