import { readString } from "./_string_literal.ts";
import { isWordCode } from "./template.ts";

export interface Token {
  readonly kind: "word" | "string" | "number" | "symbol" | "end";
  /** The word, the symbol, or the string's value. */
  readonly text: string;
  readonly offset: number;
}

export type Tokens =
  | { readonly ok: true; readonly tokens: readonly Token[] }
  | { readonly ok: false; readonly message: string; readonly offset: number };

const SYMBOLS = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", "."];

/** Splits a predicate expression into its words, strings, numbers and symbols. */
export function tokenize(text: string): Tokens {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text[at] ?? "";
    if (" \t\r\n".includes(c)) {
      at++;
      continue;
    }
    if (c === '"' || c === "`" || c === "'") {
      const literal = readString(text, at);
      if (!literal.ok) return literal;
      tokens.push({ kind: "string", text: literal.value, offset: at });
      at = literal.end;
      continue;
    }
    const token = readNumber(text, at) ?? readWord(text, at) ?? readSymbol(text, at);
    if (!token) {
      const doubled = "=&|".includes(c) ? `; write ${c}${c}` : "";
      return { ok: false, message: `Unexpected ${JSON.stringify(c)}${doubled}`, offset: at };
    }
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: "end", text: "", offset: text.length });
  return { ok: true, tokens };
}

function readNumber(text: string, start: number): Token | undefined {
  let at = start + (text[start] === "-" ? 1 : 0);
  const first = at;
  while (isDigit(text, at)) at++;
  if (at === first) return undefined;
  if (text[at] === "." && isDigit(text, at + 1)) {
    at++;
    while (isDigit(text, at)) at++;
  }
  // `1x` is neither a number nor a word.
  if (isWordCode(text.charCodeAt(at))) return undefined;
  return { kind: "number", text: text.slice(start, at), offset: start };
}

function readWord(text: string, start: number): Token | undefined {
  if (isDigit(text, start)) return undefined;
  let at = start;
  while (isWordCode(text.charCodeAt(at))) at++;
  return at === start ? undefined : { kind: "word", text: text.slice(start, at), offset: start };
}

function readSymbol(text: string, start: number): Token | undefined {
  const symbol = SYMBOLS.find((s) => text.startsWith(s, start));
  return symbol === undefined ? undefined : { kind: "symbol", text: symbol, offset: start };
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}
