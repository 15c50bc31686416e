export type StringLiteral =
  | { readonly ok: true; readonly value: string; readonly end: number }
  | { readonly ok: false; readonly message: string; readonly offset: number };

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

/** Digits that follow `\x`, `\u` and `\U`. */
const HEX_LENGTH: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** Reads a string at `start` in Go's two notations: `"…"` with escapes, and raw between backquotes. */
export function readString(text: string, start: number, end = text.length): StringLiteral {
  const quote = text[start];
  if (quote === "`") {
    const close = text.indexOf("`", start + 1);
    if (close === -1 || close >= end) return fail("The string is not closed", start);
    return { ok: true, value: text.slice(start + 1, close), end: close + 1 };
  }
  if (quote === "'") return fail("Strings stand in double quotes", start);
  if (quote !== '"') return fail("Expected a string in double quotes", start);
  let value = "";
  let at = start + 1;
  while (at < end) {
    const c = text[at];
    if (c === '"') return { ok: true, value, end: at + 1 };
    if (c === "\n") break;
    if (c !== "\\") {
      value += c;
      at++;
      continue;
    }
    const escape = readEscape(text, at);
    if (escape === undefined) {
      return fail("Not an escape that strings know; a backslash is written \\\\", at);
    }
    value += escape.value;
    at = escape.end;
  }
  return fail("The string is not closed", start);
}

function readEscape(text: string, at: number): { value: string; end: number } | undefined {
  const kind = text[at + 1] ?? "";
  if (Object.hasOwn(SIMPLE, kind)) return { value: SIMPLE[kind] ?? "", end: at + 2 };
  if (Object.hasOwn(HEX_LENGTH, kind)) {
    const digits = text.slice(at + 2, at + 2 + (HEX_LENGTH[kind] ?? 0));
    const code = digits.length === HEX_LENGTH[kind] ? parseDigits(digits, 16) : undefined;
    // A byte escape above ASCII would make half a UTF-8 sequence; nothing here needs one.
    if (code === undefined || code > (kind === "x" ? 0x7f : 0x10ffff)) return undefined;
    if (code >= 0xd800 && code <= 0xdfff) return undefined;
    return { value: String.fromCodePoint(code), end: at + 2 + digits.length };
  }
  const octal = text.slice(at + 1, at + 4);
  const code = octal.length === 3 ? parseDigits(octal, 8) : undefined;
  return code === undefined || code > 0x7f
    ? undefined
    : { value: String.fromCharCode(code), end: at + 4 };
}

function parseDigits(digits: string, base: number): number | undefined {
  let value = 0;
  for (const digit of digits) {
    const d = "0123456789abcdef".indexOf(digit.toLowerCase());
    if (d === -1 || d >= base) return undefined;
    value = value * base + d;
  }
  return value;
}

function fail(message: string, offset: number): StringLiteral {
  return { ok: false, message, offset };
}
