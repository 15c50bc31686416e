/** Counts what has been given to a server and not left yet; whoever has more may wait. */
export class Unsent {
  readonly #limit: number;
  #bytes = 0;
  #over = false;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get congested(): boolean {
    return this.#bytes > this.#limit && !this.#over;
  }

  /** Counts a message until the function that is returned is called. */
  add(bytes: number): () => void {
    this.#bytes += bytes;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#bytes -= bytes;
      if (!this.congested) this.#wake();
    };
  }

  /** Resolves when there is room, or nothing will leave any more. */
  room(): Promise<void> {
    if (!this.congested) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Nobody has to wait from now on. */
  close(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
