// The syntax tree of a pattern: the least that RE2's dialect needs.
import type { CharSet } from "./_charset.ts";
import { ANY_BUT_NEWLINE, single } from "./_charset.ts";

/** A condition on a place between two characters. */
export type Assertion =
  | "begin_text"
  | "end_text"
  | "begin_line"
  | "end_line"
  | "word_boundary"
  | "no_word_boundary";

export type Node =
  | { readonly op: "empty" }
  | { readonly op: "set"; readonly set: CharSet }
  | { readonly op: "assert"; readonly assertion: Assertion }
  | { readonly op: "cat"; readonly items: readonly Node[] }
  | { readonly op: "alt"; readonly items: readonly Node[] }
  | {
    readonly op: "repeat";
    readonly of: Node;
    readonly min: number;
    /** Infinity for no upper bound. */
    readonly max: number;
    readonly greedy: boolean;
  }
  | { readonly op: "group"; readonly of: Node; readonly index: number };

/** A parsed expression, with the names of its groups by index; index 0 is the whole match. */
export interface Regex {
  readonly node: Node;
  readonly groups: readonly (string | undefined)[];
}

/** Why a pattern does not compile, and where in its text. */
export class SyntaxProblem extends Error {
  constructor(message: string, readonly offset: number) {
    super(message);
  }
}

const ANY_RUN: Node = {
  op: "repeat",
  of: { op: "set", set: ANY_BUT_NEWLINE },
  min: 0,
  max: Infinity,
  greedy: true,
};

/** The tree of `^piece.*piece$`: a glob whose pieces stand between its asterisks. */
export function globNode(pieces: readonly string[]): Node {
  const items: Node[] = [{ op: "assert", assertion: "begin_text" }];
  pieces.forEach((piece, index) => {
    if (index > 0) items.push(ANY_RUN);
    for (const char of piece) items.push({ op: "set", set: single(char.codePointAt(0)!) });
  });
  items.push({ op: "assert", assertion: "end_text" });
  return { op: "cat", items };
}
