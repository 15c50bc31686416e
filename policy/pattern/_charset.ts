// Sets of code points as sorted, disjoint, non-adjacent ranges: [lo, hi, lo, hi, …]. Values are
// never changed after they were built, so they can be shared.

/** A set of code points. */
export type CharSet = readonly number[];

export const MAX_CODE_POINT = 0x10ffff;
export const NONE: CharSet = [];
export const ANY: CharSet = [0, MAX_CODE_POINT];
export const NEWLINE = 0x0a;
export const ANY_BUT_NEWLINE: CharSet = [0, NEWLINE - 1, NEWLINE + 1, MAX_CODE_POINT];
export const WORD: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];

export function single(codePoint: number): CharSet {
  return [codePoint, codePoint];
}

/** Sorts and joins ranges given in any order, overlapping or not. */
export function normalize(ranges: readonly number[]): CharSet {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!]);
  pairs.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [lo, hi] of pairs) {
    const last = out.length - 1;
    if (last > 0 && lo <= out[last]! + 1) out[last] = Math.max(out[last]!, hi);
    else out.push(lo, hi);
  }
  return out;
}

export function union(sets: readonly CharSet[]): CharSet {
  return sets.length === 1 ? sets[0]! : normalize(sets.flat());
}

export function negate(set: CharSet): CharSet {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > next) out.push(next, set[i]! - 1);
    next = set[i + 1]! + 1;
  }
  if (next <= MAX_CODE_POINT) out.push(next, MAX_CODE_POINT);
  return out;
}

export function contains(set: CharSet, codePoint: number): boolean {
  let low = 0;
  let high = set.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (codePoint > set[middle * 2 + 1]!) low = middle + 1;
    else high = middle;
  }
  return low * 2 < set.length && codePoint >= set[low * 2]!;
}
