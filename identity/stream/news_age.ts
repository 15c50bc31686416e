/**
 * How old the news may be. A pulse says how long the authority's stream had been open when it was
 * sent; since the stream was asked for before it was opened, whatever the follower's own clock shows
 * beyond that has been spent on the way, or withheld by somebody there. Only clocks that grow are
 * read, one at each end, so no clock that is set changes anything.
 */
import type { Clock } from "../clock.ts";

/** Milliseconds after which news are `stale` and `lost`. */
export interface NewsAges {
  readonly stale: number;
  readonly lost: number;
}

export const DEFAULT_NEWS_AGES: NewsAges = { stale: 30_000, lost: 300_000 };

export class NewsAge {
  readonly #clock: Pick<Clock, "monotonic">;
  /** On this host's clock: the latest moment that everything before is known of. */
  #knownUntil = -Infinity;
  #asked = NaN;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** A stream is being asked for now. */
  asked(): void {
    this.#asked = this.#clock.monotonic();
  }

  /** A pulse has come: so many milliseconds after the authority took the request. */
  pulse(milliseconds: number): void {
    // A clock that runs fast elsewhere cannot tell of what has not happened yet here.
    const sent = Math.min(this.#asked + milliseconds, this.#clock.monotonic());
    this.#knownUntil = Math.max(this.#knownUntil, sent);
  }

  /** Milliseconds since the last moment whose news are here for sure; infinite before the first. */
  get milliseconds(): number {
    return this.#clock.monotonic() - this.#knownUntil;
  }
}
