/**
 * Where the JSON value at `start` ends. On JSON this is exact; on anything else it is some place
 * up to `end`, found without throwing and in linear time.
 */
export function endOfValue(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start];
  if (first === 0x22) return endOfString(bytes, start, end);
  if (first !== 0x7b && first !== 0x5b) return endOfScalar(bytes, start, end);
  let depth = 0;
  for (let i = start; i < end;) {
    const c = bytes[i]!;
    if (c === 0x22) {
      i = endOfString(bytes, i, end);
      continue;
    }
    i++;
    if (c === 0x7b || c === 0x5b) depth++;
    else if ((c === 0x7d || c === 0x5d) && --depth === 0) return i;
  }
  return end;
}

/** Behind the closing quote of the string that opens at `start`. */
export function endOfString(bytes: Uint8Array, start: number, end: number): number {
  let i = start + 1;
  const near = Math.min(end, i + NEAR);
  for (; i < near; i++) {
    const c = bytes[i];
    if (c === 0x22) return i + 1;
    if (c === 0x5c) i++;
  }
  while (i < end) {
    const quote = bytes.indexOf(0x22, i);
    if (quote < 0 || quote >= end) return end;
    // The quote ends the string unless an odd run of backslashes stands before it.
    let before = quote;
    while (before > i && bytes[before - 1] === 0x5c) before--;
    if (((quote - before) & 1) === 0) return quote + 1;
    i = quote + 1;
  }
  return end;
}

function endOfScalar(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && !DELIMITERS.has(bytes[i]!)) i++;
  return i;
}

const NEAR = 24;
const DELIMITERS: ReadonlySet<number> = new Set([
  0x2c,
  0x5d,
  0x7d,
  0x3a,
  0x22,
  0x5b,
  0x7b,
  0x20,
  9,
  10,
  13,
]);
