import { setTimeout as delay } from "node:timers/promises";

/** Time as a value, so that loops can be tested without waiting. */
export interface Clock {
  /** Wall-clock time, which an administrator may set back or forward. */
  now(): Date;
  /** Milliseconds that only grow, for measuring how long something took. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
