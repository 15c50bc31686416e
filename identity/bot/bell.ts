/** Something that may be waited for again and again, by any number of loops. */
export class Bell<T = void> {
  readonly #listeners = new Set<(news: T) => void>();

  ring(news: T): void {
    for (const listener of [...this.#listeners]) listener(news);
  }

  /** Calls `listener` at each ring; returns how to stop that. */
  subscribe(listener: (news: T) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
