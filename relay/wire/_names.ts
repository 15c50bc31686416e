/** Finds known names in bytes without decoding each key anew: keys repeat in every message. */
export class Names {
  readonly #buckets: readonly (readonly Name[])[];

  constructor(names: Iterable<string>) {
    const buckets: Name[][] = Array.from({ length: BUCKETS }, () => []);
    for (const name of names) {
      const bytes = new TextEncoder().encode(name);
      buckets[bucketOf(bytes, 0, bytes.length)]!.push({ name, bytes });
    }
    this.#buckets = buckets;
  }

  /** The known name that the bytes spell, if they spell one. */
  find(bytes: Uint8Array, start: number, end: number): string | undefined {
    for (const { name, bytes: known } of this.#buckets[bucketOf(bytes, start, end)]!) {
      if (known.length !== end - start) continue;
      let i = 0;
      while (i < known.length && known[i] === bytes[start + i]) i++;
      if (i === known.length) return name;
    }
    return undefined;
  }
}

interface Name {
  readonly name: string;
  readonly bytes: Uint8Array;
}

function bucketOf(bytes: Uint8Array, start: number, end: number): number {
  return ((end - start) * 31 + bytes[start]! * 7 + bytes[end - 1]!) & (BUCKETS - 1);
}

const BUCKETS = 256;
