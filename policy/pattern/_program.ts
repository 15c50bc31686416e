// Syntax trees to one program for a nondeterministic machine. Several patterns can share a
// program; each instruction belongs to one of them.
import type { Assertion, Node } from "./_ast.ts";
import { SyntaxProblem } from "./_ast.ts";
import type { CharSet } from "./_charset.ts";
import { ANY } from "./_charset.ts";

export const Op = { CHAR: 0, ALT: 1, ASSERT: 2, SAVE: 3, MATCH: 4 } as const;

export const ASSERTION_CODES: { readonly [name in Assertion]: number } = {
  begin_text: 0,
  begin_line: 1,
  end_text: 2,
  end_line: 3,
  word_boundary: 4,
  no_word_boundary: 5,
};

/** From this code on, an assertion also depends on the character that follows. */
export const FIRST_LOOKAHEAD = ASSERTION_CODES.end_text;

/**
 * The most instructions one pattern may have. The worst case costs every instruction once for each
 * character, so this keeps a kilobyte under some 20 ms.
 */
export const MAX_PROGRAM = 5_000;

export interface Program {
  readonly op: Uint8Array;
  /** Where an instruction goes on; for ALT the preferred way. */
  readonly out: Int32Array;
  /** CHAR: its set · ALT: the other way · ASSERT: its code · SAVE: its slot · MATCH: the pattern. */
  readonly arg: Int32Array;
  /** Entry of each pattern. */
  readonly starts: Int32Array;
  readonly sets: readonly CharSet[];
  /** Bit n: assertion code n occurs. */
  readonly assertions: number;
}

/**
 * Compiles patterns to one program that searches for each of them at any place, unless its tree
 * says where to begin. Throws SyntaxProblem when a pattern exceeds `limit` instructions.
 */
export function compileSearch(nodes: readonly Node[], limit: number = MAX_PROGRAM): Program {
  const builder = new Builder(limit, false);
  const starts = nodes.map((node, id) => {
    builder.beginPattern();
    const entry = builder.compile(node, builder.emit(Op.MATCH, -1, id));
    return beginsAtStart(node) ? entry : builder.skipping(entry);
  });
  return builder.finish(starts);
}

/** Compiles one pattern with its groups, anchored where it is tried. Throws SyntaxProblem. */
export function compileCaptures(node: Node, limit: number = MAX_PROGRAM): Program {
  const builder = new Builder(limit, true);
  builder.beginPattern();
  const end = builder.emit(Op.SAVE, builder.emit(Op.MATCH, -1, 0), 1);
  return builder.finish([builder.emit(Op.SAVE, builder.compile(node, end), 0)]);
}

/** Builds from the end: each part is compiled knowing where it goes on. */
class Builder {
  readonly #op: number[] = [];
  readonly #out: number[] = [];
  readonly #arg: number[] = [];
  readonly #sets: CharSet[] = [];
  /** By the character of a set of one, else by its ranges. */
  readonly #setIds = new Map<number | string, number>();
  #assertions = 0;
  #patternStart = 0;

  constructor(readonly limit: number, readonly captures: boolean) {}

  beginPattern(): void {
    this.#patternStart = this.#op.length;
  }

  emit(op: number, out: number, arg: number): number {
    if (this.#op.length - this.#patternStart >= this.limit) {
      throw new SyntaxProblem(
        `the expression is too large: over ${this.limit.toLocaleString("en")} instructions`,
        0,
      );
    }
    this.#op.push(op);
    this.#out.push(out);
    this.#arg.push(arg);
    return this.#op.length - 1;
  }

  /** The entry of `node`, which goes on to `next`. */
  compile(node: Node, next: number): number {
    switch (node.op) {
      case "empty":
        return next;
      case "set":
        return this.emit(Op.CHAR, next, this.#setId(node.set));
      case "assert": {
        const code = ASSERTION_CODES[node.assertion];
        this.#assertions |= 1 << code;
        return this.emit(Op.ASSERT, next, code);
      }
      case "cat": {
        let entry = next;
        for (let i = node.items.length - 1; i >= 0; i--) {
          entry = this.compile(node.items[i]!, entry);
        }
        return entry;
      }
      case "alt": {
        let entry = this.compile(node.items[node.items.length - 1]!, next);
        for (let i = node.items.length - 2; i >= 0; i--) {
          entry = this.emit(Op.ALT, this.compile(node.items[i]!, next), entry);
        }
        return entry;
      }
      case "group":
        if (!this.captures) return this.compile(node.of, next);
        return this.emit(
          Op.SAVE,
          this.compile(node.of, this.emit(Op.SAVE, next, 2 * node.index + 1)),
          2 * node.index,
        );
      case "repeat":
        return this.#repeat(node, next);
    }
  }

  #repeat(node: Node & { op: "repeat" }, next: number): number {
    const { of, min, max, greedy } = node;
    let entry = next;
    let copies = min;
    if (max === Infinity) {
      entry = this.#loop(of, min > 0, greedy, next);
      copies = Math.max(0, min - 1);
    } else {
      for (let i = min; i < max; i++) entry = this.#branch(this.compile(of, entry), next, greedy);
    }
    for (let i = 0; i < copies; i++) entry = this.compile(of, entry);
    return entry;
  }

  #loop(of: Node, atLeastOnce: boolean, greedy: boolean, next: number): number {
    const again = this.emit(Op.ALT, -1, -1);
    const body = this.compile(of, again);
    this.#out[again] = greedy ? body : next;
    this.#arg[again] = greedy ? next : body;
    if (atLeastOnce) return body;
    // A body that can be empty is entered as (x+)?, which gives its alternatives their due order.
    return isNullable(of) ? this.#branch(body, next, greedy) : again;
  }

  #branch(body: number, next: number, greedy: boolean): number {
    return greedy ? this.emit(Op.ALT, body, next) : this.emit(Op.ALT, next, body);
  }

  /** An entry that may skip any text first. */
  skipping(entry: number): number {
    const again = this.emit(Op.ALT, entry, -1);
    this.#arg[again] = this.emit(Op.CHAR, again, this.#setId(ANY));
    return again;
  }

  #setId(set: CharSet): number {
    const key = set.length === 2 && set[0] === set[1] ? set[0]! : set.join();
    let id = this.#setIds.get(key);
    if (id === undefined) {
      id = this.#sets.push(set) - 1;
      this.#setIds.set(key, id);
    }
    return id;
  }

  finish(starts: readonly number[]): Program {
    return {
      op: Uint8Array.from(this.#op),
      out: Int32Array.from(this.#out),
      arg: Int32Array.from(this.#arg),
      starts: Int32Array.from(starts),
      sets: this.#sets,
      assertions: this.#assertions,
    };
  }
}

function isNullable(node: Node): boolean {
  switch (node.op) {
    case "empty":
    case "assert":
      return true;
    case "set":
      return false;
    case "cat":
      return node.items.every(isNullable);
    case "alt":
      return node.items.some(isNullable);
    case "repeat":
      return node.min === 0 || isNullable(node.of);
    case "group":
      return isNullable(node.of);
  }
}

/** Whether every way through the tree demands the start of the text first. */
function beginsAtStart(node: Node): boolean {
  switch (node.op) {
    case "assert":
      return node.assertion === "begin_text";
    case "cat": {
      // An item that consumes nothing may stand before the anchor.
      for (const item of node.items) {
        if (beginsAtStart(item)) return true;
        if (item.op !== "assert" && item.op !== "empty") return false;
      }
      return false;
    }
    case "alt":
      return node.items.every(beginsAtStart);
    case "group":
      return beginsAtStart(node.of);
    case "repeat":
      return node.min > 0 && beginsAtStart(node.of);
    default:
      return false;
  }
}
