// `regexp.replace`, as Go's ReplaceAllString does it: every match in turn, leftmost first, with
// $1, ${1}, $name and ${name} in the replacement.
import type { Regex } from "./_ast.ts";
import { SyntaxProblem } from "./_ast.ts";
import { parseRegex } from "./_parse.ts";
import type { Slots } from "./_leftmost.ts";
import { Leftmost } from "./_leftmost.ts";
import { compileCaptures } from "./_program.ts";
import type { PatternProblem } from "./pattern.ts";

export type ReplaceResult =
  | {
    readonly ok: true;
    /** The text with every match replaced, or undefined if nothing in it matches. */
    replace(text: string): string | undefined;
  }
  | PatternProblem;

/** A part of a replacement: plain text, or the groups of which the first that took part counts. */
type Part = string | readonly number[];

/**
 * Compiles an expression in RE2's dialect and its replacement. Unlike a pattern of a role, the
 * expression is never read as a glob. Replacing is linear in the text (and in the replacement for
 * each match), total, and cannot throw.
 */
export function regexpReplace(source: string, replacement: string): ReplaceResult {
  let regex: Regex;
  let expression: Leftmost;
  try {
    regex = parseRegex(source);
    expression = new Leftmost(compileCaptures(regex.node), regex.groups.length);
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    return { ok: false, message: error.message, offset: error.offset };
  }
  const parts = parseReplacement(replacement, regex.groups);
  return { ok: true, replace: (text) => replaceAll(expression, parts, text) };
}

function replaceAll(
  expression: Leftmost,
  parts: readonly Part[],
  text: string,
): string | undefined {
  const out: string[] = [];
  let copied = 0;
  let found = false;
  for (const slots of expression.matches(text)) {
    const [start, end] = [slots[0]!, slots[1]!];
    found = true;
    out.push(text.slice(copied, start));
    // An empty match right after another match does not count.
    if (end > copied || start === 0) out.push(expand(parts, text, slots));
    copied = end;
  }
  return found ? out.join("") + text.slice(copied) : undefined;
}

function expand(parts: readonly Part[], text: string, slots: Slots): string {
  let out = "";
  for (const part of parts) {
    if (typeof part === "string") {
      out += part;
      continue;
    }
    const group = part.find((index) => (slots[2 * index] ?? -1) >= 0);
    if (group !== undefined) out += text.slice(slots[2 * group], slots[2 * group + 1]);
  }
  return out;
}

/** Reads $name and ${name}; `$1_x` is the group named `1_x`, and `$$` one dollar sign. */
function parseReplacement(text: string, groups: readonly (string | undefined)[]): Part[] {
  const parts: Part[] = [];
  for (let i = 0; i < text.length;) {
    const dollar = text.indexOf("$", i);
    if (dollar < 0) return [...parts, text.slice(i)];
    parts.push(text.slice(i, dollar));
    const braced = text[dollar + 1] === "{";
    const start = dollar + (braced ? 2 : 1);
    const end = endOfName(text, start);
    if (end === start || (braced && text[end] !== "}")) {
      parts.push("$");
      i = dollar + (text[dollar + 1] === "$" ? 2 : 1);
      continue;
    }
    parts.push(groupsCalled(text.slice(start, end), groups));
    i = end + (braced ? 1 : 0);
  }
  return parts;
}

function endOfName(text: string, start: number): number {
  let end = start;
  while (end < text.length) {
    const char = String.fromCodePoint(text.codePointAt(end)!);
    if (!NAME_CHARACTER.test(char)) break;
    end += char.length;
  }
  return end;
}

// Not a pattern of a role: one character of a constant replacement against one class.
const NAME_CHARACTER = /^[\p{L}\p{Nd}_]$/u;

function groupsCalled(name: string, groups: readonly (string | undefined)[]): number[] {
  const digits = [...name].every((char) => char >= "0" && char <= "9");
  if (digits && (name === "0" || !name.startsWith("0")) && name.length <= 8) return [Number(name)];
  return groups.flatMap((group, index) => group === name ? [index] : []);
}
