/** Escapes and code points of JSON strings, on bytes that are edited in place. */

/** A cursor that reads at `i` and writes at `o`, never ahead of what was read. */
export interface Cursor {
  i: number;
  o: number;
}

/**
 * Reads the escape whose backslash is at `at.i` and writes its compact form: plain where JSON
 * lets it stand plain, the short escape where there is one. False if it is no escape.
 */
export function escape(bytes: Uint8Array, at: Cursor): boolean {
  const letter = bytes[at.i + 1]!;
  if (letter === 0x75) return unicodeEscape(bytes, at);
  at.i += 2;
  if (letter === 0x2f) {
    bytes[at.o++] = letter; // "\/" is a plain slash.
    return true;
  }
  if (SHORT_ESCAPES[letter] === 0) return false;
  bytes[at.o++] = 0x5c;
  bytes[at.o++] = letter;
  return true;
}

function unicodeEscape(bytes: Uint8Array, at: Cursor): boolean {
  const unit = hex4(bytes, at.i + 2);
  if (unit < 0) return false;
  at.i += 6;
  if (unit >= 0xd800 && unit < 0xdc00 && bytes[at.i] === 0x5c && bytes[at.i + 1] === 0x75) {
    const low = hex4(bytes, at.i + 2);
    if (low >= 0xdc00 && low < 0xe000) {
      at.i += 6;
      writeCodePoint(bytes, at, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
      return true;
    }
  }
  writeUnit(bytes, at, unit);
  return true;
}

function writeUnit(bytes: Uint8Array, at: Cursor, unit: number): void {
  const short = unit < 0x60 ? SHORT_FORM[unit]! : 0;
  if (short !== 0) {
    bytes[at.o++] = 0x5c;
    bytes[at.o++] = short;
  } else if (
    // Controls must be escaped; a lone surrogate has no UTF-8; and U+2028/9 end a line for
    // some readers of lines.
    unit < 0x20 || (unit >= 0xd800 && unit < 0xe000) || unit === 0x2028 || unit === 0x2029
  ) {
    writeEscaped(bytes, at, unit);
  } else {
    writeCodePoint(bytes, at, unit);
  }
}

function writeEscaped(bytes: Uint8Array, at: Cursor, unit: number): void {
  bytes[at.o++] = 0x5c;
  bytes[at.o++] = 0x75;
  for (let shift = 12; shift >= 0; shift -= 4) {
    const digit = (unit >> shift) & 15;
    bytes[at.o++] = digit < 10 ? 0x30 + digit : 0x57 + digit;
  }
}

function writeCodePoint(bytes: Uint8Array, at: Cursor, point: number): void {
  if (point < 0x80) {
    bytes[at.o++] = point;
    return;
  }
  if (point < 0x800) {
    bytes[at.o++] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x10000) {
      bytes[at.o++] = 0xe0 | (point >> 12);
    } else {
      bytes[at.o++] = 0xf0 | (point >> 18);
      bytes[at.o++] = 0x80 | ((point >> 12) & 0x3f);
    }
    bytes[at.o++] = 0x80 | ((point >> 6) & 0x3f);
  }
  bytes[at.o++] = 0x80 | (point & 0x3f);
}

/** The value of four hex digits, or -1. */
function hex4(bytes: Uint8Array, start: number): number {
  let value = 0;
  for (let i = start; i < start + 4; i++) {
    const c = bytes[i]!;
    const digit = c >= 0x30 && c <= 0x39
      ? c - 0x30
      : c >= 0x41 && c <= 0x46
      ? c - 0x37
      : c >= 0x61 && c <= 0x66
      ? c - 0x57
      : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** The letter of the short escape for a code unit below 0x60, or 0. */
const SHORT_FORM = new Uint8Array(0x60);
/** 1 for each byte that may follow a backslash and stays as it is. */
const SHORT_ESCAPES = new Uint8Array(256);
for (
  const [unit, letter] of [[8, 98], [9, 116], [10, 110], [12, 102], [13, 114], [34, 34], [92, 92]]
) {
  SHORT_FORM[unit!] = letter!;
  SHORT_ESCAPES[letter!] = 1;
}
