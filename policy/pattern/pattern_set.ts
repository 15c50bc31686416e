// Many patterns asked at once. Small sets become one automaton; large ones an index, in which only
// globs and expressions still need automata. Either way a text is walked a fixed number of times,
// and memory is bounded by the patterns plus a named limit.
import type { Member } from "./_group.ts";
import { Group } from "./_group.ts";
import { isPlain } from "./_glob.ts";
import { Trie } from "./_trie.ts";
import { compiled } from "./pattern.ts";
import type { CompiledPattern, Pattern } from "./pattern.ts";

/** Patterns that are asked together. */
export interface PatternSet {
  /** The lowest index of a pattern that matches, or -1. Total, and linear in the text. */
  firstMatch(text: string): number;
}

/** What the automata of one set may keep in built states. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Characters of patterns for one automaton: about as many instructions, unless counts multiply. */
const GROUP_CHARACTERS = 2048;
/** Patterns that can begin anywhere: the states of one automaton multiply with them. */
const MAX_FLOATING = 64;

/** Compiles patterns into a set; they keep their order. */
export function compilePatternSet(patterns: readonly Pattern[]): PatternSet {
  const all = patterns.map(compiled);
  return isSmall(all) ? new SmallSet(all) : new Index(all);
}

/** Whether one automaton will do, at least to begin with, and beat the index. */
function isSmall(patterns: readonly CompiledPattern[]): boolean {
  let characters = 0;
  let floating = 0;
  for (const pattern of patterns) {
    characters += pattern.source.length;
    if (pattern.kind === "suffix" || pattern.kind === "infix" || pattern.kind === "glob") {
      floating++;
    }
  }
  if (characters > GROUP_CHARACTERS || floating > MAX_FLOATING) return false;
  return patterns.some((pattern) => pattern.kind !== "literal" && pattern.kind !== "any");
}

class SmallSet implements PatternSet {
  readonly #patterns: readonly CompiledPattern[];
  readonly #group: Group;
  #index: Index | undefined;

  constructor(patterns: readonly CompiledPattern[]) {
    this.#patterns = patterns;
    this.#group = new Group(patterns.map(member), MAX_BYTES / 4);
  }

  firstMatch(text: string): number {
    if (this.#index) return this.#index.firstMatch(text);
    const lowest = this.#group.lowest(text);
    if (this.#group.isSplit) this.#index = new Index(this.#patterns);
    return lowest === Infinity ? -1 : lowest;
  }
}

class Index implements PatternSet {
  readonly #literals = new Map<string, number>();
  readonly #prefixes = new Trie();
  readonly #suffixes = new Trie();
  readonly #infixes = new Trie();
  readonly #groups: readonly Group[];
  #hasPrefixes = false;
  #hasSuffixes = false;
  #hasInfixes = false;

  constructor(patterns: readonly CompiledPattern[]) {
    const rest: CompiledPattern[] = [];
    const order = new Map<string, number>();
    patterns.forEach((pattern, index) => {
      // Roles repeat each other; of equal patterns only the first can be the answer.
      if (order.has(pattern.source)) return;
      order.set(pattern.source, index);
      if (!this.#place(pattern, index)) rest.push(pattern);
    });
    const chunks = chunked(rest);
    this.#groups = chunks.map((chunk) =>
      new Group(
        chunk.map((pattern) => ({ node: pattern.node, index: order.get(pattern.source)! })),
        MAX_BYTES / chunks.length,
      )
    );
  }

  firstMatch(text: string): number {
    let lowest = this.#literals.get(text) ?? Infinity;
    // No asterisk crosses a newline, and the pieces in the tries have none.
    if ((this.#hasPrefixes || this.#hasSuffixes || this.#hasInfixes) && !text.includes("\n")) {
      if (this.#hasPrefixes) lowest = Math.min(lowest, this.#prefixes.atStart(text));
      if (this.#hasSuffixes) lowest = Math.min(lowest, this.#suffixes.atEnd(text));
      if (this.#hasInfixes) lowest = Math.min(lowest, this.#infixes.anywhere(text));
    }
    for (const group of this.#groups) lowest = Math.min(lowest, group.lowest(text));
    return lowest === Infinity ? -1 : lowest;
  }

  /** Puts a pattern into its part of the index, if there is one for it. */
  #place(pattern: CompiledPattern, index: number): boolean {
    const pieces = pattern.pieces;
    if (pattern.kind === "literal") {
      const text = pieces[0]!;
      if (!this.#literals.has(text)) this.#literals.set(text, index);
      return true;
    }
    if (pattern.kind === "regex" || pattern.kind === "glob" || !pieces.every(isPlain)) return false;
    if (pattern.kind === "prefix" || pattern.kind === "any") {
      this.#prefixes.add(units(pieces[0]!), index);
      this.#hasPrefixes = true;
    } else if (pattern.kind === "suffix") {
      this.#suffixes.add(units(pieces[1]!).reverse(), index);
      this.#hasSuffixes = true;
    } else {
      this.#infixes.add(units(pieces[1]!), index);
      this.#hasInfixes = true;
    }
    return true;
  }
}

function member(pattern: CompiledPattern, index: number): Member {
  return { node: pattern.node, index };
}

function units(text: string): number[] {
  return Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}

function chunked(patterns: readonly CompiledPattern[]): CompiledPattern[][] {
  const chunks: CompiledPattern[][] = [];
  let room = 0;
  for (const pattern of patterns) {
    room -= pattern.source.length;
    if (room < 0 || chunks.length === 0) {
      chunks.push([]);
      room = GROUP_CHARACTERS - pattern.source.length;
    }
    chunks[chunks.length - 1]!.push(pattern);
  }
  return chunks;
}
