// RE2's dialect, as Go's regexp package reads it, to a syntax tree. Look-around and
// backreferences are refused: no linear-time engine can have them.
import type { Assertion, Node, Regex } from "./_ast.ts";
import { SyntaxProblem } from "./_ast.ts";
import { ANY, ANY_BUT_NEWLINE, single } from "./_charset.ts";
import { Reader } from "./_reader.ts";
import { parseBracket, parseClassEscape, parseEscape } from "./_class.ts";
import { foldSet } from "./_unicode.ts";

/** RE2's own limit for a count, and for the product of nested counts. */
const MAX_REPEAT = 1000;
const MAX_DEPTH = 500;
/** Bounds parsing before the size of the program does: no useful expression comes near. */
const MAX_SOURCE = 32_768;

export interface Flags {
  fold: boolean;
  dotAll: boolean;
  multiLine: boolean;
  swapGreed: boolean;
}

/** Parses an expression; throws SyntaxProblem. */
export function parseRegex(source: string): Regex {
  if (source.length > MAX_SOURCE) {
    throw new SyntaxProblem(
      `the expression is longer than ${MAX_SOURCE.toLocaleString("en")} characters`,
      MAX_SOURCE,
    );
  }
  return new Parser(source).parse();
}

class Parser {
  readonly #in: Reader;
  readonly #groups: (string | undefined)[] = [undefined];
  #flags: Flags = { fold: false, dotAll: false, multiLine: false, swapGreed: false };
  #depth = 0;

  constructor(source: string) {
    this.#in = new Reader(source);
  }

  parse(): Regex {
    const node = this.#alternation();
    if (!this.#in.done) this.#in.fail("unexpected )");
    return { node, groups: this.#groups };
  }

  #alternation(): Node {
    const items = [this.#sequence()];
    while (this.#in.take("|")) items.push(this.#sequence());
    return items.length === 1 ? items[0]! : { op: "alt", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    /** Whether the last item already bears a repetition: `a**` is refused, as in Go. */
    let repeated = false;
    while (!this.#in.done && this.#in.peek !== "|" && this.#in.peek !== ")") {
      const start = this.#in.offset;
      const count = this.#repetition();
      if (count) {
        const of = items.pop() ?? this.#in.fail("missing argument to repetition", start);
        if (repeated) this.#in.fail("nested repetition: put the inner one in a group", start);
        const repeat: Node = { op: "repeat", of, ...count };
        if (tooManyCopies(repeat, MAX_REPEAT)) {
          this.#in.fail(`counted repetitions nest to more than ${MAX_REPEAT}`, start);
        }
        items.push(repeat);
        repeated = true;
        continue;
      }
      const before = items.length;
      this.#atom(items);
      if (items.length > before) repeated = false;
    }
    if (items.length === 1) return items[0]!;
    return items.length === 0 ? { op: "empty" } : { op: "cat", items };
  }

  /** Reads `*`, `+`, `?` or a well-formed `{n,m}`, or nothing. */
  #repetition(): { min: number; max: number; greedy: boolean } | undefined {
    const count = this.#in.take("*")
      ? { min: 0, max: Infinity }
      : this.#in.take("+")
      ? { min: 1, max: Infinity }
      : this.#in.take("?")
      ? { min: 0, max: 1 }
      : this.#braces();
    if (!count) return undefined;
    const lazy = this.#in.take("?");
    return { ...count, greedy: lazy === this.#flags.swapGreed };
  }

  #braces(): { min: number; max: number } | undefined {
    const start = this.#in.offset;
    if (!this.#in.take("{")) return undefined;
    const min = this.#in.integer();
    let max = min;
    if (min !== undefined && this.#in.take(",")) {
      max = this.#in.peek === "}" ? Infinity : this.#in.integer();
    }
    if (min === undefined || max === undefined || !this.#in.take("}")) {
      this.#in.offset = start; // A brace that counts nothing is a plain character.
      return undefined;
    }
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) {
      this.#in.fail(`repetition count over ${MAX_REPEAT}`, start);
    }
    if (min > max) this.#in.fail("repetition counts in the wrong order", start);
    return { min, max };
  }

  #atom(items: Node[]): void {
    const reader = this.#in;
    switch (reader.peek) {
      case "(":
        return this.#group(items);
      case "[":
        return void items.push({ op: "set", set: parseBracket(reader, this.#flags.fold) });
      case ".":
        reader.next();
        return void items.push({ op: "set", set: this.#flags.dotAll ? ANY : ANY_BUT_NEWLINE });
      case "^":
        reader.next();
        return void items.push(assert(this.#flags.multiLine ? "begin_line" : "begin_text"));
      case "$":
        reader.next();
        return void items.push(assert(this.#flags.multiLine ? "end_line" : "end_text"));
      case "\\":
        return this.#backslash(items);
      default:
        items.push(this.#literal(reader.next()));
    }
  }

  #literal(codePoint: number): Node {
    const set = single(codePoint);
    return { op: "set", set: this.#flags.fold ? foldSet(set) : set };
  }

  #backslash(items: Node[]): void {
    const reader = this.#in;
    if (reader.take("\\Q")) {
      const end = reader.find("\\E");
      while (reader.offset < end) items.push(this.#literal(reader.next()));
      reader.take("\\E");
      return;
    }
    const simple = ASSERTIONS[reader.ahead(2)];
    if (simple) {
      reader.offset += 2;
      return void items.push(assert(simple));
    }
    const set = parseClassEscape(reader, this.#flags.fold);
    items.push(set ? { op: "set", set } : this.#literal(parseEscape(reader)));
  }

  #group(items: Node[]): void {
    const start = this.#in.offset;
    this.#in.next();
    const saved = this.#flags;
    let index: number | undefined;
    if (!this.#in.take("?")) index = this.#openGroup(undefined);
    else if (this.#in.take("P<") || this.#nameFollows()) index = this.#openGroup(this.#name(start));
    else if (this.#setFlags(start) === "flags only") return;
    if (++this.#depth > MAX_DEPTH) {
      this.#in.fail(`groups nest deeper than ${MAX_DEPTH}`, start);
    }
    const of = this.#alternation();
    if (!this.#in.take(")")) this.#in.fail("missing closing )", start);
    this.#depth--;
    this.#flags = saved;
    items.push(index === undefined ? of : { op: "group", of, index });
  }

  #openGroup(name: string | undefined): number {
    return this.#groups.push(name) - 1;
  }

  #nameFollows(): boolean {
    const ahead = this.#in.ahead(2);
    return ahead !== "<=" && ahead !== "<!" && this.#in.take("<");
  }

  #name(start: number): string {
    const end = this.#in.find(">");
    const name = this.#in.slice(this.#in.offset, end);
    if (end >= this.#in.length || !isGroupName(name)) {
      this.#in.fail("invalid name of a group", start);
    }
    this.#in.offset = end + 1;
    return name;
  }

  /** Reads `i`, `m`, `s`, `U`, and what is negated after `-`, up to `)` or `:`. */
  #setFlags(start: number): "flags only" | "group" {
    const flags = { ...this.#flags };
    let value = true;
    let sawFlag = true;
    for (;;) {
      if (this.#in.done) this.#in.fail("missing closing )", start);
      const at = this.#in.offset;
      const char = String.fromCodePoint(this.#in.next());
      const flag = FLAGS[char];
      if (flag) {
        flags[flag] = value;
        sawFlag = true;
      } else if (char === "-" && value) {
        value = false;
        sawFlag = false;
      } else if ((char === ":" || char === ")") && sawFlag) {
        this.#flags = flags;
        return char === ")" ? "flags only" : "group";
      } else {
        const lookAround = char === "=" || char === "!" || char === "<";
        this.#in.fail(
          lookAround
            ? "look-around is not supported (it cannot be matched in linear time)"
            : `unknown group syntax (?${char}`,
          lookAround ? start : at,
        );
      }
    }
  }
}

const ASSERTIONS: { readonly [escape: string]: Assertion | undefined } = {
  "\\A": "begin_text",
  "\\z": "end_text",
  "\\b": "word_boundary",
  "\\B": "no_word_boundary",
};

const FLAGS: { readonly [letter: string]: keyof Flags | undefined } = {
  i: "fold",
  m: "multiLine",
  s: "dotAll",
  U: "swapGreed",
};

function assert(assertion: Assertion): Node {
  return { op: "assert", assertion };
}

function isGroupName(name: string): boolean {
  for (const char of name) {
    const c = char.charCodeAt(0) | 0x20;
    if (!(c >= 0x61 && c <= 0x7a) && !(char >= "0" && char <= "9") && char !== "_") return false;
  }
  return name !== "";
}

/** Whether counted repetitions inside one another ask for more copies than `limit`. */
function tooManyCopies(node: Node, limit: number): boolean {
  switch (node.op) {
    case "repeat": {
      const copies = node.max === Infinity ? node.min : node.max;
      if (copies > limit) return true;
      return tooManyCopies(node.of, copies > 1 ? Math.floor(limit / copies) : limit);
    }
    case "group":
      return tooManyCopies(node.of, limit);
    case "cat":
    case "alt":
      return node.items.some((item) => tooManyCopies(item, limit));
    default:
      return false;
  }
}
