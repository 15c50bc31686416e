import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import { sourceOf } from "../source_limit.ts";

/** Refused joins of one address in a window; more are not looked at. */
const MOST = 20;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; those whose window began first are forgotten. */
const MAX_ADDRESSES = 10_000;

interface Window {
  readonly began: number;
  refused: number;
}

/**
 * Slows down whoever guesses: joins that are refused are counted for each source address, so that
 * nobody can try many tokens, nor fill the audit log with refusals. Joins that succeed do not count:
 * a fleet behind one address may start at once.
 */
export class RefusedJoins {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs a join from an address; throws `RATE_LIMITED`, and does not run it, beyond the limit. */
  async guard<T>(remote: string, join: () => Promise<T>): Promise<T> {
    const source = sourceOf(remote);
    const now = this.#clock.monotonic();
    const window = this.#current(source, now);
    if (window !== undefined && window.refused >= MOST) {
      const seconds = Math.ceil((window.began + WINDOW_MS - now) / 1000);
      throw new IdentityError(
        "RATE_LIMITED",
        `Cannot join: ${MOST} joins from this address were refused within a minute`,
        { hint: `Correct the token, and try again in ${seconds} s` },
      );
    }
    try {
      return await join();
    } catch (error) {
      if (error instanceof IdentityError && REFUSALS.has(error.code)) this.#count(source);
      throw error;
    }
  }

  #current(source: string, now: number): Window | undefined {
    const window = this.#windows.get(source);
    if (window === undefined || now - window.began < WINDOW_MS) return window;
    this.#windows.delete(source);
    return undefined;
  }

  #count(source: string): void {
    const now = this.#clock.monotonic();
    const window = this.#current(source, now);
    if (window) return void window.refused++;
    if (this.#windows.size >= MAX_ADDRESSES) {
      for (const oldest of this.#windows.keys()) {
        this.#windows.delete(oldest);
        break;
      }
    }
    this.#windows.set(source, { began: now, refused: 1 });
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "JOIN_REFUSED",
  "JOIN_TOKEN_EXPIRED",
  "JOIN_TOKEN_USED",
]);
