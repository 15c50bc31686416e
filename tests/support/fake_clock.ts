import type { Clock } from "../../identity/mod.ts";

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/**
 * A clock that moves only from sleeper to sleeper. A test first waits until the code under test has
 * nothing left to do but sleep, and so needs no guess about how long its work takes.
 */
export class FakeClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  constructor(start: Date) {
    this.#now = start.getTime();
  }

  now = () => new Date(this.#now);
  monotonic = () => this.#now;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        until: this.#now + ms,
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort);
      this.#sleepers.add(sleeper);
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  /** Resolves once `count` loops sleep at the same time. */
  asleep(count: number): Promise<void> {
    if (this.#sleepers.size >= count) return Promise.resolve();
    return new Promise((resolve) => {
      const watcher = () => {
        if (this.#sleepers.size < count) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  /** Milliseconds until the next sleeper wakes; undefined when nobody sleeps. */
  get next(): number | undefined {
    const ends = [...this.#sleepers].map(({ until }) => until);
    return ends.length === 0 ? undefined : Math.min(...ends) - this.#now;
  }

  /** Moves the time without waking anybody who is not due. */
  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.until > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  /** Waits until `count` loops sleep, then moves to the end of the shortest sleep. */
  async step(count: number): Promise<number> {
    await this.asleep(count);
    const ms = this.next ?? 0;
    this.advance(ms);
    return ms;
  }
}
