/** First in, first out, in constant time: `Array.shift` moves every element that is left. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    // What has left must not be kept alive by the array.
    this.#items[this.#head++] = undefined;
    if (this.#head > 256 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  forEach(visit: (item: T) => void): void {
    for (let at = this.#head; at < this.#items.length; at++) visit(this.#items[at]!);
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
