/** How often a bot may call one tool of one app: token buckets, shared by all of its sessions. */
import type { Clock } from "../../identity/mod.ts";

export interface CallRate {
  /** Calls in a second, in the long run. */
  readonly perSecond: number;
  /** Calls at once, after a rest. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  /** Milliseconds of the clock, when `tokens` was right. */
  at: number;
}

/** Buckets that are remembered; those that are full again are forgotten first. */
const MAX_BUCKETS = 100_000;

export class CallRates {
  readonly #rate: CallRate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: CallRate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one call; returns the milliseconds to wait when there is none to take. */
  take(bot: string, app: string, tool: string): number | undefined {
    const { perSecond, burst } = this.#rate;
    const now = this.#clock.monotonic();
    const key = JSON.stringify([bot, app, tool]);
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) * perSecond / 1000);
    bucket.at = now;
    if (!this.#buckets.has(key)) this.#remember(key, bucket, now);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) * 1000 / perSecond);
    bucket.tokens -= 1;
    return undefined;
  }

  #remember(key: string, bucket: Bucket, now: number): void {
    if (this.#buckets.size >= MAX_BUCKETS) this.#forget(now);
    this.#buckets.set(key, bucket);
  }

  /** A full bucket is as good as none; when all are in use, the oldest go. */
  #forget(now: number): void {
    const { perSecond, burst } = this.#rate;
    const rest = burst * 1000 / perSecond;
    for (const [key, { at }] of this.#buckets) if (now - at >= rest) this.#buckets.delete(key);
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_BUCKETS) return;
      this.#buckets.delete(key);
    }
  }
}
