// Character classes and escapes of RE2's dialect.
import type { CharSet } from "./_charset.ts";
import { MAX_CODE_POINT, negate, union, WORD } from "./_charset.ts";
import type { Reader } from "./_reader.ts";
import { foldSet, unicodeClass } from "./_unicode.ts";

/** Perl's `\d`, `\s` and `\w`: ASCII only, and `\s` without the vertical tab, as in RE2. */
const PERL: { readonly [letter: string]: CharSet | undefined } = {
  d: [0x30, 0x39],
  s: [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20],
  w: WORD,
};

const POSIX: { readonly [name: string]: CharSet | undefined } = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  ascii: [0x00, 0x7f],
  blank: [0x09, 0x09, 0x20, 0x20],
  cntrl: [0x00, 0x1f, 0x7f, 0x7f],
  digit: [0x30, 0x39],
  graph: [0x21, 0x7e],
  lower: [0x61, 0x7a],
  print: [0x20, 0x7e],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  space: [0x09, 0x0d, 0x20, 0x20],
  upper: [0x41, 0x5a],
  word: WORD,
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
};

const CONTROL: { readonly [letter: string]: number | undefined } = {
  a: 0x07,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
};

/** Reads `[…]`. A class matches newlines, negated or not, unless it says otherwise. */
export function parseBracket(reader: Reader, fold: boolean): CharSet {
  const start = reader.offset;
  reader.next();
  const negated = reader.take("^");
  const parts: CharSet[] = [];
  do { // A ] that comes first is a plain character.
    if (reader.done) reader.fail("missing closing ]", start);
    parts.push(
      parsePosix(reader, fold) ?? parseClassEscape(reader, fold) ?? parseRange(reader, fold, start),
    );
  } while (!reader.take("]"));
  const set = union(parts);
  return negated ? negate(set) : set;
}

/** Reads `[:name:]` or `[:^name:]`, or nothing. */
function parsePosix(reader: Reader, fold: boolean): CharSet | undefined {
  if (reader.ahead(2) !== "[:") return undefined;
  const end = reader.find(":]");
  if (end >= reader.length) return undefined;
  const name = reader.slice(reader.offset + 2, end);
  const negated = name.startsWith("^");
  const set = Object.hasOwn(POSIX, negated ? name.slice(1) : name)
    ? POSIX[negated ? name.slice(1) : name]!
    : reader.fail(`unknown class [:${name}:]`);
  reader.offset = end + 2;
  return finish(set, negated, fold);
}

/** Reads `\d`, `\pN`, `\p{Name}` and their negations, or nothing. */
export function parseClassEscape(reader: Reader, fold: boolean): CharSet | undefined {
  if (reader.peek !== "\\") return undefined;
  const letter = reader.ahead(2).slice(1);
  const lower = letter.toLowerCase();
  const perl = Object.hasOwn(PERL, lower) ? PERL[lower] : undefined;
  if (perl) {
    reader.offset += 2;
    return finish(perl, letter !== lower, fold);
  }
  if (lower !== "p") return undefined;
  const start = reader.offset;
  reader.offset += 2;
  let name: string;
  if (reader.take("{")) {
    const end = reader.find("}");
    if (end >= reader.length) reader.fail("missing closing }", start);
    name = reader.slice(reader.offset, end);
    reader.offset = end + 1;
  } else {
    if (reader.done) reader.fail("missing name of a Unicode class", start);
    name = String.fromCodePoint(reader.next());
  }
  const inverted = name.startsWith("^");
  const set = unicodeClass(inverted ? name.slice(1) : name) ??
    reader.fail(`unknown Unicode class "${name}"`, start);
  return finish(set, (letter === "P") !== inverted, fold);
}

function finish(set: CharSet, negated: boolean, fold: boolean): CharSet {
  const folded = fold ? foldSet(set) : set;
  return negated ? negate(folded) : folded;
}

function parseRange(reader: Reader, fold: boolean, bracket: number): CharSet {
  const start = reader.offset;
  const low = parseClassChar(reader, bracket);
  let high = low;
  const ahead = reader.ahead(2);
  if (ahead.length === 2 && ahead[0] === "-" && ahead[1] !== "]") {
    reader.next();
    high = parseClassChar(reader, bracket);
  }
  if (high < low) reader.fail("range in the wrong order", start);
  return fold ? foldSet([low, high]) : [low, high];
}

function parseClassChar(reader: Reader, bracket: number): number {
  if (reader.done) reader.fail("missing closing ]", bracket);
  return reader.peek === "\\" ? parseEscape(reader) : reader.next();
}

/** Reads an escape that stands for one character. */
export function parseEscape(reader: Reader): number {
  const start = reader.offset;
  reader.next();
  if (reader.done) reader.fail("trailing backslash", start);
  const codePoint = reader.next();
  const char = String.fromCodePoint(codePoint);
  if (char >= "0" && char <= "7") {
    const more = octalDigits(reader);
    if (char === "0" || more !== "") return parseInt(char + more, 8);
  }
  if (char >= "1" && char <= "9") reader.fail("backreferences are not supported", start);
  if (char === "x") return parseHex(reader, start);
  const control = Object.hasOwn(CONTROL, char) ? CONTROL[char] : undefined;
  if (control !== undefined) return control;
  // A backslash before punctuation is always that punctuation; before a letter it may one day mean
  // something, so it is refused.
  if (codePoint < 0x80 && !isAlphanumeric(char)) return codePoint;
  return reader.fail(`unknown escape \\${char}`, start);
}

function octalDigits(reader: Reader): string {
  let digits = "";
  while (digits.length < 2 && reader.peek >= "0" && reader.peek <= "7") {
    digits += reader.peek;
    reader.next();
  }
  return digits;
}

function parseHex(reader: Reader, start: number): number {
  let digits: string;
  if (reader.take("{")) {
    const end = reader.find("}");
    digits = reader.slice(reader.offset, end);
    if (end >= reader.length || digits === "" || !isHex(digits)) {
      reader.fail("malformed \\x{…}", start);
    }
    reader.offset = end + 1;
  } else {
    digits = reader.ahead(2);
    if (digits.length < 2 || !isHex(digits)) reader.fail("malformed \\x escape", start);
    reader.offset += 2;
  }
  const value = parseInt(digits, 16);
  return value <= MAX_CODE_POINT ? value : reader.fail("no such code point", start);
}

function isHex(digits: string): boolean {
  for (const char of digits) {
    const letter = char.toLowerCase();
    if (!(char >= "0" && char <= "9") && !(letter >= "a" && letter <= "f")) return false;
  }
  return true;
}

function isAlphanumeric(char: string): boolean {
  const letter = char.toLowerCase();
  return (char >= "0" && char <= "9") || (letter >= "a" && letter <= "z");
}
