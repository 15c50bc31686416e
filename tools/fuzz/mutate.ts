/** Random changes to lines of traffic, the same for the same seed. */
export type Random = () => number;

/** Mulberry32: small, and good enough to wander with. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function below(next: Random, limit: number): number {
  return Math.floor(next() * limit);
}

const TOKENS = [
  '"name":"write"',
  '"Name":"write"',
  '"method":"tools/call"',
  '"id":1.0',
  '"id":null',
  "\\u0000",
  "\\ud800",
  "\\u006e",
  "1e400",
  "-0",
  "01",
  "{}",
  "[]",
  ",",
  ":",
  '"',
  "\\",
  "}",
  "]",
  "\r",
  "\u2028",
  "\ufeff",
  "\u212a",
  "read_a",
].map((text) => new TextEncoder().encode(text));

/** One to four edits: a byte flipped, a run removed, repeated or moved, a token or another line put in. */
export function mutate(line: Uint8Array, other: Uint8Array, next: Random): Uint8Array {
  let bytes = [...line];
  for (let edits = 1 + below(next, 4); edits > 0; edits--) {
    const at = below(next, bytes.length + 1);
    const run = 1 + below(next, 24);
    switch (below(next, 6)) {
      case 0:
        bytes[at] = below(next, 256);
        break;
      case 1:
        bytes.splice(at, run);
        break;
      case 2:
        bytes.splice(at, 0, ...bytes.slice(at, at + run));
        break;
      case 3: {
        const from = below(next, other.length);
        bytes = bytes.toSpliced(at, 0, ...other.subarray(from, from + run));
        break;
      }
      default:
        bytes = bytes.toSpliced(at, below(next, 2) * run, ...TOKENS[below(next, TOKENS.length)]!);
    }
  }
  return Uint8Array.from(bytes, (byte) => byte ?? 0);
}
