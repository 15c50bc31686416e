// Unicode classes and case folding, taken from the runtime's own tables while a pattern compiles.
//
// This is the one place in policy/ where the runtime's RegExp is used. It only ever sees one
// fixed expression, `\p{…}+` with a checked name, and one fixed text, the list of all code points.
// It never sees a pattern's own text or a name to be matched, so its backtracking cannot be
// reached. The alternative, tables of our own, would be larger than the rest of the engine.
import type { CharSet } from "./_charset.ts";
import { ANY, normalize } from "./_charset.ts";

const SURROGATES: CharSet = [0xd800, 0xdfff];
const BLOCK = 0x10000;
const PLANES = 17;
const MAX_CACHED_CLASSES = 64;

const cache = new Map<string, CharSet>();

/** The code points of `\p{name}`: a general category, a script, or Any; undefined if unknown. */
export function unicodeClass(name: string): CharSet | undefined {
  if (name === "Any") return ANY;
  if (!isPlainName(name)) return undefined;
  const known = cache.get(name);
  if (known) return known;
  const test = propertyTest(name);
  if (!test) return undefined;
  const set = rangesOf(test, name);
  if (cache.size >= MAX_CACHED_CLASSES) cache.clear();
  cache.set(name, set);
  return set;
}

function isPlainName(name: string): boolean {
  if (name === "" || name.length > 40) return false;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i) | 0x20;
    if (!(c >= 0x61 && c <= 0x7a) && name[i] !== "_") return false;
  }
  return true;
}

function propertyTest(name: string): RegExp | undefined {
  for (const property of ["General_Category", "Script"]) {
    try {
      return new RegExp(`\\p{${property}=${name}}+`, "gu");
    } catch {
      // Not a value of this property.
    }
  }
  return undefined;
}

function rangesOf(test: RegExp, name: string): CharSet {
  const ranges: number[] = [];
  scan(test, 0, SURROGATES[0]!, ranges);
  // A lone surrogate beside another would be read as one character, so they are not scanned.
  if (["C", "Other", "Cs", "Surrogate"].includes(name)) ranges.push(...SURROGATES);
  scan(test, SURROGATES[1]! + 1, BLOCK, ranges);
  for (let plane = 1; plane < PLANES; plane++) {
    const start = plane * BLOCK;
    const last = start + BLOCK - 1;
    if (plane < 4 || plane === 14) scan(test, start, last + 1, ranges);
    else {
      // Wholly unassigned or wholly for private use, but for two noncharacters at the end.
      const sample: number[] = [];
      scan(test, start, start + 1, sample);
      if (sample.length > 0) ranges.push(start, last - 2);
      scan(test, last - 1, last + 1, ranges);
    }
  }
  return normalize(ranges);
}

function scan(test: RegExp, from: number, to: number, ranges: number[]): void {
  const units: number[] = [];
  const width = from < BLOCK ? 1 : 2;
  for (let c = from; c < to; c++) {
    if (width === 1) units.push(c);
    else units.push(0xd800 + ((c - BLOCK) >> 10), 0xdc00 + (c & 0x3ff));
  }
  let text = "";
  // In slices: an argument list of this length would overflow the stack.
  for (let i = 0; i < units.length; i += 8192) {
    text += String.fromCharCode(...units.slice(i, i + 8192));
  }
  for (const match of text.matchAll(test)) {
    const start = from + match.index / width;
    ranges.push(start, start + match[0].length / width - 1);
  }
}

/** Adds to a set every code point that simple case folding makes equal to one in it. */
export function foldSet(set: CharSet): CharSet {
  const extra: number[] = [];
  if (set.length > 0 && set[set.length - 1]! < 0x80) {
    // ASCII alone needs no table: two of its letters have a twin outside.
    for (let i = 0; i < set.length; i += 2) {
      for (let c = set[i]!; c <= set[i + 1]!; c++) pushAsciiTwins(c, extra);
    }
  } else {
    const orbits = foldOrbits();
    const members = orbits.members;
    for (let i = 0; i < set.length; i += 2) {
      for (let m = lowerBound(members, set[i]!); m < members.length; m++) {
        if (members[m]! > set[i + 1]!) break;
        for (const twin of orbits.of.get(members[m]!)!) extra.push(twin, twin);
      }
    }
  }
  return extra.length === 0 ? set : normalize([...set, ...extra]);
}

function pushAsciiTwins(c: number, out: number[]): void {
  const letter = c | 0x20;
  if (letter < 0x61 || letter > 0x7a) return;
  out.push(letter, letter, letter - 0x20, letter - 0x20);
  if (letter === 0x6b) out.push(0x212a, 0x212a); // KELVIN SIGN
  if (letter === 0x73) out.push(0x17f, 0x17f); // LATIN SMALL LETTER LONG S
}

interface Orbits {
  readonly members: readonly number[];
  readonly of: ReadonlyMap<number, readonly number[]>;
}

let orbits: Orbits | undefined;

function foldOrbits(): Orbits {
  return orbits ??= buildOrbits();
}

function buildOrbits(): Orbits {
  const groups = new Map<number, number[]>();
  // All cased characters lie below this one; plane 2 and above have none.
  for (let c = 0; c < 0x1f000; c++) {
    if (c >= SURROGATES[0]! && c <= SURROGATES[1]!) continue;
    const text = String.fromCodePoint(c);
    if (text.toUpperCase() === text && text.toLowerCase() === text) continue;
    const key = foldKey(c);
    const group = groups.get(key);
    if (group) group.push(c);
    else groups.set(key, key === c ? [c] : [key, c]);
  }
  const of = new Map<number, readonly number[]>();
  for (const group of groups.values()) {
    const twins = [...new Set(group)];
    if (twins.length > 1) { for (const c of twins) of.set(c, twins); }
  }
  return { members: [...of.keys()].sort((a, b) => a - b), of };
}

/** One name for all that fold together: upper, then lower, where each is a single character. */
function foldKey(c: number): number {
  // Unicode's simple folding leaves the dotless i alone (only Turkish rules join it to i).
  if (c === 0x131) return c;
  return oneChar(oneChar(c, "toUpperCase"), "toLowerCase");
}

function oneChar(c: number, change: "toUpperCase" | "toLowerCase"): number {
  const changed = String.fromCodePoint(c)[change]();
  const first = changed.codePointAt(0)!;
  return changed.length === (first > 0xffff ? 2 : 1) ? first : c;
}

function lowerBound(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
