import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";

const FIRST_MS = 250;
const LONGEST_MS = 10_000;

/**
 * The pauses between attempts: twice as long each time up to a bound, and half of each left to
 * chance, so that the bridges of a whole fleet do not come back in step.
 */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  #next = FIRST_MS;
  #nudge = () => {};

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Waits for the next attempt. */
  async wait(signal: AbortSignal): Promise<void> {
    const milliseconds = this.#next / 2 + this.#random() * this.#next / 2;
    this.#next = Math.min(this.#next * 2, LONGEST_MS);
    const enough = new AbortController();
    await new Promise<void>((resolve) => {
      this.#nudge = resolve;
      signal.addEventListener("abort", () => resolve(), { signal: enough.signal });
      after(this.#clock, milliseconds, AbortSignal.any([signal, enough.signal]), resolve);
      if (signal.aborted) resolve();
    });
    enough.abort();
  }

  /** There is a reason to try now. */
  nudge(): void {
    this.#nudge();
  }
}
