/**
 * What every text that a pattern matches begins and ends with, as far as the pattern's text shows.
 * The answer may say less than is true ("" for nothing), never more.
 */
import type { Pattern } from "./pattern/mod.ts";

export interface FixedEnds {
  readonly start: string;
  readonly end: string;
}

const NONE: FixedEnds = { start: "", end: "" };

export function fixedEnds({ kind, source }: Pattern): FixedEnds {
  if (kind === "regex") return regexEnds(source.slice(1, -1));
  if (kind === "literal") return { start: source, end: source };
  const [first, last] = [source.indexOf("*"), source.lastIndexOf("*")];
  return { start: source.slice(0, Math.max(first, 0)), end: source.slice(last + 1) };
}

/** The plain letters at both ends of an expression that is anchored as a whole. */
function regexEnds(body: string): FixedEnds {
  // Flags may change what letters mean, quoting what the anchors mean; classes by name nest.
  if (["(?", "\\Q", "[:"].some((sign) => body.includes(sign)) || !isOneBranch(body)) return NONE;
  let from = 0;
  while (isPlain(body.charCodeAt(from))) from++;
  if (from === body.length) return { start: body, end: body };
  // A count belongs to the letter before it, and may be none.
  const counted = "*+?{".includes(body[from] ?? "");
  let to = body.length;
  while (isPlain(body.charCodeAt(to - 1))) to--;
  // After these a letter is a letter; after a backslash it may be anything.
  const known = to > 0 && ")].*+?".includes(body[to - 1] ?? "x");
  const escaped = body[to - 2] === "\\";
  return {
    start: body.slice(0, counted ? Math.max(from - 1, 0) : from),
    end: known && !escaped ? body.slice(to) : "",
  };
}

/** Whether no `|` stands outside of groups: it would cut the anchors apart. */
function isOneBranch(body: string): boolean {
  let depth = 0;
  let inClass = false;
  for (let i = 0; i < body.length; i++) {
    const c = body[i];
    if (c === "\\") i++;
    else if (inClass) inClass = c !== "]";
    else if (c === "[") {
      inClass = true;
      // The first character of a class is one of its own, a bracket too.
      if (body[i + 1] === "^") i++;
      if (body[i + 1] === "]") i++;
    } else if (c === "(") depth++;
    else if (c === ")") depth--;
    else if (c === "|" && depth === 0) return false;
  }
  return true;
}

function isPlain(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) ||
    code === 95 || code === 45;
}
