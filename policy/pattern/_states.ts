const NONE = -1;

/** States of an automaton, numbered from 1: each a set of positions with a tag, kept once. */
export class States {
  /** The sets, `words` words each, by number of the state. */
  sets: Int32Array;
  tags: Int32Array;
  count = 0;
  readonly words: number;
  readonly #byHash = new Map<number, number>();
  #nextSameHash: Int32Array;

  constructor(words: number) {
    this.words = words;
    this.sets = new Int32Array(16 * words);
    this.tags = new Int32Array(16);
    this.#nextSameHash = new Int32Array(16);
  }

  /** The number of a state, or -1 if it is not kept. */
  find(set: Int32Array, tag: number): number {
    let state = this.#byHash.get(hashOf(set, tag)) ?? NONE;
    while (state !== NONE && !this.#is(state, set, tag)) state = this.#nextSameHash[state]!;
    return state;
  }

  /** Keeps a state that is not there yet. */
  add(set: Int32Array, tag: number): number {
    const state = ++this.count;
    if (state >= this.tags.length) {
      this.sets = doubled(this.sets);
      this.tags = doubled(this.tags);
      this.#nextSameHash = doubled(this.#nextSameHash);
    }
    const hash = hashOf(set, tag);
    this.sets.set(set, state * this.words);
    this.tags[state] = tag;
    this.#nextSameHash[state] = this.#byHash.get(hash) ?? NONE;
    this.#byHash.set(hash, state);
    return state;
  }

  clear(): void {
    this.count = 0;
    this.#byHash.clear();
  }

  #is(state: number, set: Int32Array, tag: number): boolean {
    if (this.tags[state] !== tag) return false;
    const offset = state * this.words;
    for (let i = 0; i < this.words; i++) if (this.sets[offset + i] !== set[i]) return false;
    return true;
  }
}

function hashOf(set: Int32Array, tag: number): number {
  let hash = tag;
  for (let i = 0; i < set.length; i++) hash = Math.imul(hash ^ set[i]!, 0x01000193) ^ hash >>> 15;
  return hash;
}

/** A copy with room for as much again. */
export function doubled(values: Int32Array): Int32Array {
  const larger = new Int32Array(values.length * 2);
  larger.set(values);
  return larger;
}
