import type { Clock } from "../../identity/mod.ts";

/** Time that passes when a test says so. */
export class ManualClock implements Clock {
  #now = Date.now();
  readonly #sleepers = new Set<{ until: number; wake: () => void }>();
  #watching: (() => void)[] = [];

  now = () => new Date(this.#now);
  monotonic = () => this.#now;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.#now + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      for (const look of this.#watching.splice(0)) look();
      signal?.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** Resolves once somebody sleeps for just so long. */
  async sleeping(ms: number): Promise<void> {
    while (![...this.#sleepers].some(({ until }) => until === this.#now + ms)) {
      await new Promise<void>((resolve) => this.#watching.push(resolve));
    }
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.until > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
