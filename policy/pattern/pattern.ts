// Patterns of roles, as they stand in `app_labels` and `mcp.tools`.
//
// Text that starts with ^ and ends with $ is an expression in RE2's dialect, as it stands: it is
// searched for, so `^test|staging$` matches all that starts with "test" or ends with "staging".
// All other text is literal but for `*`, which stands for any run of characters, and must match in
// full. As in the original, `*` is `.*`, which does not cross a newline; so not even `*` alone
// matches a text with a newline in it. Matching is by code point, case-sensitive, synchronous,
// linear in the text, and never on the runtime's RegExp, which can give up and answer "no".
import type { Node } from "./_ast.ts";
import { globNode, SyntaxProblem } from "./_ast.ts";
import { Dfa } from "./_dfa.ts";
import { globTest } from "./_glob.ts";
import { parseRegex } from "./_parse.ts";
import { compileSearch } from "./_program.ts";
import { wordsOf } from "./_words.ts";

export type PatternKind = "literal" | "prefix" | "suffix" | "infix" | "glob" | "regex" | "any";

/** A compiled pattern. `test` is total: it cannot throw, and takes time linear in the text. */
export interface Pattern {
  readonly source: string;
  readonly kind: PatternKind;
  test(text: string): boolean;
}

/** Text that is not a pattern: why, and where (an offset in UTF-16 code units). */
export interface PatternProblem {
  readonly ok: false;
  readonly message: string;
  readonly offset: number;
}

export type PatternResult = { readonly ok: true; readonly pattern: Pattern } | PatternProblem;

/** What one expression may keep in built states; beyond it, they are built anew. */
const MAX_BYTES = 256 * 1024;

/** Compiles the text of a pattern. */
export function compilePattern(source: string): PatternResult {
  try {
    return { ok: true, pattern: new CompiledPattern(source) };
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    return { ok: false, message: error.message, offset: error.offset };
  }
}

/** Whether a pattern's text is an expression; otherwise it is literal but for its asterisks. */
export function isRegexSource(source: string): boolean {
  return source.length > 1 && source.startsWith("^") && source.endsWith("$");
}

/** The pattern as the rest of this folder sees it. */
export class CompiledPattern implements Pattern {
  readonly source: string;
  readonly kind: PatternKind;
  /** The text between the asterisks, for all kinds but `regex`. */
  readonly pieces: readonly string[];
  readonly test: (text: string) => boolean;
  #node: Node | undefined;

  constructor(source: string) {
    this.source = source;
    if (isRegexSource(source)) {
      this.kind = "regex";
      this.pieces = [];
      const node = parseRegex(source).node;
      compileSearch([node]); // For its size: the program itself is made when it is first needed.
      this.#node = node;
      this.test = wordTest(node) ?? lazyTest(node);
    } else {
      this.pieces = globPieces(source);
      this.kind = globKind(source, this.pieces);
      this.test = globTest(this.pieces) ?? lazyTest(this.node);
    }
  }

  get node(): Node {
    return this.#node ?? globNode(this.pieces);
  }
}

/** A pattern of any maker, as this folder sees it. */
export function compiled(pattern: Pattern): CompiledPattern {
  return pattern instanceof CompiledPattern ? pattern : new CompiledPattern(pattern.source);
}

function wordTest(node: Node): ((text: string) => boolean) | undefined {
  const words = wordsOf(node);
  if (!words) return undefined;
  const known = new Set(words);
  return (text) => known.has(text);
}

function lazyTest(node: Node): (text: string) => boolean {
  let dfa: Dfa | undefined;
  return (text) => {
    dfa ??= new Dfa(compileSearch([node]), MAX_BYTES);
    return dfa.match(text) === 0;
  };
}

/** Splits at asterisks; a run of them says no more than one. */
function globPieces(source: string): readonly string[] {
  return source.split("*").filter((piece, i, all) =>
    piece !== "" || i === 0 || i === all.length - 1
  );
}

function globKind(source: string, pieces: readonly string[]): PatternKind {
  if (source === "*") return "any";
  if (pieces.length === 1) return "literal";
  const [first, last] = [pieces[0], pieces[pieces.length - 1]];
  if (pieces.length === 2) return last === "" ? "prefix" : first === "" ? "suffix" : "glob";
  return pieces.length === 3 && first === "" && last === "" ? "infix" : "glob";
}
