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
  /** When it is as full as it can be, if nobody takes from it. */
  full: number;
}

/** Buckets that are remembered; those that are full again are forgotten first. */
const MAX_BUCKETS = 100_000;

export class CallRates {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one call; returns the milliseconds to wait when there is none to take. */
  take(
    { bot, app, tool }: { readonly bot: string; readonly app: string; readonly tool: string },
    { perSecond, burst }: CallRate,
  ): number | undefined {
    const now = this.#clock.monotonic();
    const key = JSON.stringify([bot, app, tool]);
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now, full: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) * perSecond / 1000);
    bucket.at = now;
    if (!this.#buckets.has(key)) this.#remember(key, bucket, now);
    const wait = bucket.tokens < 1 ? Math.ceil((1 - bucket.tokens) * 1000 / perSecond) : undefined;
    if (wait === undefined) bucket.tokens -= 1;
    bucket.full = now + (burst - bucket.tokens) * 1000 / perSecond;
    return wait;
  }

  #remember(key: string, bucket: Bucket, now: number): void {
    if (this.#buckets.size >= MAX_BUCKETS) this.#forget(now);
    this.#buckets.set(key, bucket);
  }

  /** A full bucket is as good as none; when all are in use, the oldest go. */
  #forget(now: number): void {
    for (const [key, { full }] of this.#buckets) if (full <= now) this.#buckets.delete(key);
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_BUCKETS) return;
      this.#buckets.delete(key);
    }
  }
}
