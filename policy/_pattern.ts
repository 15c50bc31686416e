/** Literals and globs alone, until the engine of `pattern/` is there. */
export interface Pattern {
  readonly source: string;
  readonly kind: "literal" | "prefix" | "suffix" | "infix" | "glob" | "regex" | "any";
  test(text: string): boolean;
}

export type PatternResult =
  | { readonly ok: true; readonly pattern: Pattern }
  | { readonly ok: false; readonly message: string; readonly offset: number };

export interface PatternSet {
  firstMatch(text: string): number;
}

export function compilePattern(source: string): PatternResult {
  if (source.startsWith("^") && source.endsWith("$")) {
    return { ok: false, message: "Regular expressions are not supported yet", offset: 0 };
  }
  const parts = source.split("*");
  const kind = source === "*" ? "any" : parts.length === 1 ? "literal" : "glob";
  return { ok: true, pattern: { source, kind, test: (text) => globMatches(parts, text) } };
}

export function compilePatternSet(patterns: readonly Pattern[]): PatternSet {
  return { firstMatch: (text) => patterns.findIndex((pattern) => pattern.test(text)) };
}

export type ReplaceResult =
  | { readonly ok: true; readonly replace: (text: string) => string | undefined }
  | { readonly ok: false; readonly message: string; readonly offset: number };

export function regexpReplace(_source: string, _replacement: string): ReplaceResult {
  return { ok: false, message: "Regular expressions are not supported yet", offset: 0 };
}

function globMatches(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? "";
  const last = parts[parts.length - 1] ?? "";
  if (parts.length === 1) return text === first;
  if (!text.startsWith(first) || text.length < first.length + last.length) return false;
  if (!text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
