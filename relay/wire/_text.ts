import { Buffer, isAscii, isUtf8 } from "node:buffer";

/**
 * A private copy of one line that the scanner may edit in place, followed by zero bytes, which no
 * JSON token may contain. `undefined` if the line is not UTF-8 (a decoder that put U+FFFD there
 * would turn one name into another) or has a broken escape.
 */
export function copyText(line: Uint8Array): { bytes: Uint8Array; length: number } | undefined {
  if (isAscii(line)) return { bytes: padded(line), length: line.length };
  if (!isUtf8(line)) return undefined;
  const separators = countSeparators(line);
  if (separators === 0) return { bytes: padded(line), length: line.length };
  return escapeSeparators(line, separators);
}

/** The first control byte (below 0x20) at or after `from`; the zeros behind the text count. */
export function nextControl(bytes: Uint8Array, from: number): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let i = from;
  for (; (i & 3) !== 0; i++) if (bytes[i]! < 0x20) return i;
  for (let w = i >> 2; w < words.length; w++) {
    const word = words[w]!;
    // The usual test for "a byte less than n" on four bytes at once; bytes from 0x80 up do not
    // count, and a false alarm from a borrow is sorted out by looking closer.
    if (((word - 0x20202020) & ~word & 0x80808080) !== 0) {
      for (let k = w << 2; k < (w << 2) + 4; k++) if (bytes[k]! < 0x20) return k;
    }
  }
  return bytes.length;
}

function padded(line: Uint8Array): Uint8Array {
  const bytes = scratch(line.length);
  bytes.set(line);
  return bytes;
}

/** Room for `length` bytes, then five zeros at least, up to a whole number of 32-bit words. */
function scratch(length: number): Uint8Array {
  const size = (length + 8) & ~3;
  if (size < LARGE) return new Uint8Array(size);
  // Zeroing megabytes only to write over them would show.
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size);
  const bytes = new Uint8Array(buffer, byteOffset, size);
  return bytes.fill(0, length);
}

/** U+2028 and U+2029 end a line for many readers; JSON allows them raw inside strings. */
function countSeparators(line: Uint8Array): number {
  let count = 0;
  for (let i = line.indexOf(0xe2); i >= 0; i = line.indexOf(0xe2, i + 1)) {
    if (isSeparator(line, i)) count++;
  }
  return count;
}

function isSeparator(line: Uint8Array, i: number): boolean {
  return line[i + 1] === 0x80 && (line[i + 2] === 0xa8 || line[i + 2] === 0xa9);
}

function escapeSeparators(
  line: Uint8Array,
  separators: number,
): { bytes: Uint8Array; length: number } | undefined {
  const length = line.length + separators * 3;
  const bytes = scratch(length);
  let o = 0;
  let copied = 0;
  for (let i = line.indexOf(0xe2); i >= 0; i = line.indexOf(0xe2, i + 1)) {
    if (!isSeparator(line, i)) continue;
    // Behind a lone backslash it is no escape in JSON, and must not be made one.
    let before = i;
    while (before > copied && line[before - 1] === 0x5c) before--;
    if (((i - before) & 1) === 1) return undefined;
    bytes.set(line.subarray(copied, i), o);
    o += i - copied;
    bytes.set(line[i + 2] === 0xa8 ? ESCAPED_2028 : ESCAPED_2029, o);
    o += 6;
    copied = i + 3;
  }
  bytes.set(line.subarray(copied), o);
  return { bytes, length };
}

const ESCAPED_2028 = new TextEncoder().encode("\\u2028");
const ESCAPED_2029 = new TextEncoder().encode("\\u2029");
const LARGE = 65_536;
