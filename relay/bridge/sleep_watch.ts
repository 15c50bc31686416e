/** How often the time is looked at. */
const LOOK_MS = 2_000;

/** Looks that were missed for so long were slept through: the machine, or this process, stood still. */
const ASLEEP_MS = 20_000;

/**
 * Notices that the machine has slept. Timers stand still with it, so the wall clock is compared
 * with where it was at the last look; a connection is then better given up than waited for.
 */
export class SleepWatch {
  readonly #now: () => number;
  readonly #onWake: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: number;

  constructor(onWake: () => void, now: () => number = () => Date.now()) {
    this.#now = now;
    this.#onWake = onWake;
    this.#last = now();
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Whoever is about to use a connection may look at once. */
  look(): void {
    const now = this.#now();
    const slept = now - this.#last > ASLEEP_MS;
    this.#last = now;
    if (slept) this.#onWake();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
