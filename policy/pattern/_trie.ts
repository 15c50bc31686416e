/** Texts with numbers, found by walking a text once; where several fit, the lowest number counts. */
export class Trie {
  /** Node and code unit, in one number, to node. */
  readonly #edges = new Map<number, number>();
  /** The lowest number that ends at a node; Infinity for none. */
  readonly #lowest: number[] = [Infinity];
  #fail: Int32Array | undefined;

  add(text: Iterable<number>, value: number): void {
    let node = 0;
    for (const unit of text) {
      let next = this.#edges.get(node * 0x10000 + unit);
      if (next === undefined) {
        next = this.#lowest.push(Infinity) - 1;
        this.#edges.set(node * 0x10000 + unit, next);
      }
      node = next;
    }
    this.#lowest[node] = Math.min(this.#lowest[node]!, value);
  }

  /** The lowest number of a text that `text` begins with. */
  atStart(text: string): number {
    let lowest = this.#lowest[0]!;
    for (let i = 0, node: number | undefined = 0; i < text.length; i++) {
      node = this.#edges.get(node * 0x10000 + text.charCodeAt(i));
      if (node === undefined) break;
      lowest = Math.min(lowest, this.#lowest[node]!);
    }
    return lowest;
  }

  /** The lowest number of a text that, added in reverse, `text` ends with. */
  atEnd(text: string): number {
    let lowest = this.#lowest[0]!;
    for (let i = text.length - 1, node: number | undefined = 0; i >= 0; i--) {
      node = this.#edges.get(node * 0x10000 + text.charCodeAt(i));
      if (node === undefined) break;
      lowest = Math.min(lowest, this.#lowest[node]!);
    }
    return lowest;
  }

  /** The lowest number of a text that stands anywhere in `text` (Aho and Corasick's walk). */
  anywhere(text: string): number {
    const fail = this.#fail ??= this.#link();
    let lowest = this.#lowest[0]!;
    for (let i = 0, node = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let next = this.#edges.get(node * 0x10000 + unit);
      while (next === undefined && node !== 0) {
        node = fail[node]!;
        next = this.#edges.get(node * 0x10000 + unit);
      }
      node = next ?? 0;
      lowest = Math.min(lowest, this.#lowest[node]!);
    }
    return lowest;
  }

  /**
   * Links each node to the longest other text that it ends with, and hands that one's number on.
   * Only for a trie that is walked with `anywhere` and no longer added to.
   */
  #link(): Int32Array {
    const children = new Map<number, [unit: number, node: number][]>();
    for (const [edge, node] of this.#edges) {
      const parent = Math.floor(edge / 0x10000);
      const list = children.get(parent);
      if (list) list.push([edge % 0x10000, node]);
      else children.set(parent, [[edge % 0x10000, node]]);
    }
    const fail = new Int32Array(this.#lowest.length);
    const queue = [0];
    for (const parent of queue) {
      for (const [unit, node] of children.get(parent) ?? []) {
        let from = parent;
        while (from !== 0) {
          from = fail[from]!;
          const to = this.#edges.get(from * 0x10000 + unit);
          if (to !== undefined) {
            fail[node] = to;
            break;
          }
        }
        this.#lowest[node] = Math.min(this.#lowest[node]!, this.#lowest[fail[node]!]!);
        queue.push(node);
      }
    }
    return fail;
  }
}
