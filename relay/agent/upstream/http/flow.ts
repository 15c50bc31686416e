import type { Readable } from "node:stream";

/** The bodies that are being read, which stop and go on together. */
export class Flow {
  readonly #bodies = new Set<Readable>();
  #paused = false;

  /** Has to be called before anything listens to the body. */
  add(body: Readable): void {
    this.#bodies.add(body);
    if (this.#paused) body.pause();
  }

  delete(body: Readable): void {
    this.#bodies.delete(body);
  }

  pause(): void {
    this.#paused = true;
    for (const body of this.#bodies) body.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const body of this.#bodies) body.resume();
  }
}
