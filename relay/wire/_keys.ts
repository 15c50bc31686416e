/**
 * Finds a key that an object has twice. Keys are spans of compact JSON, where equal code points
 * are equal bytes. The work is linear in the input whatever the keys are: small objects are
 * compared pairwise, large ones in a hash table that nobody outside can steer.
 */
export class KeySet {
  readonly #bytes: Uint8Array;
  readonly #seed: number;
  /** Start, end and fingerprint of each key of every open object, innermost last. */
  readonly #spans: number[] = [];
  #count = 0;
  readonly #bases: number[] = [];
  readonly #tables: (Table | undefined)[] = [];

  constructor(bytes: Uint8Array, seed: number = SEED) {
    this.#bytes = bytes;
    this.#seed = seed;
  }

  /** An object begins. */
  open(): void {
    this.#bases.push(this.#count);
    this.#tables.push(undefined);
  }

  /** The innermost object ends. */
  close(): void {
    this.#count = this.#bases.pop() ?? 0;
    this.#tables.pop();
  }

  /** Takes the next key of the innermost object; false if the object has it already. */
  add(start: number, end: number): boolean {
    const base = this.#bases[this.#bases.length - 1] ?? 0;
    const index = this.#count++;
    const fingerprint = this.#fingerprint(start, end);
    const spans = this.#spans;
    spans[index * 3] = start;
    spans[index * 3 + 1] = end;
    spans[index * 3 + 2] = fingerprint;
    if (index - base < PAIRWISE) {
      for (let other = base; other < index; other++) {
        if (spans[other * 3 + 2] === fingerprint && this.#equal(other, index)) return false;
      }
      return true;
    }
    return this.#addToTable(base, index);
  }

  #addToTable(base: number, index: number): boolean {
    const depth = this.#tables.length - 1;
    const held = index - base;
    let table = this.#tables[depth];
    if (table === undefined || held * 2 >= table.slots.length) {
      // Twice as many slots as keys at the least, four times after growing.
      table = { slots: new Int32Array(4 * 2 ** Math.ceil(Math.log2(held + 1))), probes: 0 };
      this.#tables[depth] = table;
      for (let old = base; old < index; old++) {
        if (!this.#insert(table, old, held)) return false;
      }
    }
    return this.#insert(table, index, held);
  }

  #insert(table: Table, index: number, held: number): boolean {
    const mask = table.slots.length - 1;
    let slot = this.#hash(index) & mask;
    for (;;) {
      const other = table.slots[slot]! - 1;
      if (other < 0) break;
      // Keys made to collide would cost quadratic time: such an object counts as ambiguous.
      if (++table.probes > PROBES_PER_KEY * (held + PAIRWISE)) return false;
      if (this.#equal(other, index)) return false;
      slot = (slot + 1) & mask;
    }
    table.slots[slot] = index + 1;
    return true;
  }

  /** Cheap, and enough to tell the keys of a small object apart. */
  #fingerprint(start: number, end: number): number {
    const b = this.#bytes;
    const length = end - start;
    const middle = b[start + (length >> 1)]!;
    return (((length * 31 + b[start]!) * 31 + middle) * 31 + b[end - 1]!) | 0;
  }

  #hash(index: number): number {
    const b = this.#bytes;
    const end = this.#spans[index * 3 + 1]!;
    let hash = this.#seed;
    for (let i = this.#spans[index * 3]!; i < end; i++) {
      hash = Math.imul(hash ^ b[i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  #equal(one: number, two: number): boolean {
    const b = this.#bytes;
    const spans = this.#spans;
    let i = spans[one * 3]!;
    let j = spans[two * 3]!;
    const end = spans[one * 3 + 1]!;
    if (end - i !== spans[two * 3 + 1]! - j) return false;
    while (i < end) if (b[i++] !== b[j++]) return false;
    return true;
  }
}

interface Table {
  /** Index of a key plus one; zero is free. */
  readonly slots: Int32Array;
  probes: number;
}

const PAIRWISE = 16;
const PROBES_PER_KEY = 16;
/** Unknown outside, so that nobody can choose keys that collide. */
const SEED = crypto.getRandomValues(new Int32Array(1))[0]!;
