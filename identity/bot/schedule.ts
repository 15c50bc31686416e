/** When to renew, and when to try again: the questions apart from the loops that wait. */
/**
 * How much of a certificate's life passes before it is replaced: two thirds, so that a failed
 * attempt leaves a third of the lifetime for retries.
 */
const USED = 2 / 3;

/** However short a certificate lives, a loop rests this long between renewals. */
const MIN_PAUSE_MS = 1_000;

/** The part of a pause that may fall away, so that a fleet does not come in one wave. */
const JITTER = 0.1;

/**
 * Milliseconds until the next renewal after one that worked: the configured interval, or less when
 * the certificate, which lives for `life` milliseconds, asks for it.
 */
export function pauseAfterSuccess(
  life: number,
  interval: number,
  random: () => number,
): number {
  const pause = Math.min(interval, Math.floor(life * USED));
  return Math.max(MIN_PAUSE_MS, pause * (1 - JITTER * (1 - random())));
}

/** However long the interval, a bot whose authority was away comes back within this time. */
const MAX_REST_MS = 5 * 60_000;

/** Milliseconds until the next round of tries after one in which all failed. */
export function pauseAfterFailure(interval: number): number {
  return Math.max(MIN_PAUSE_MS, Math.min(interval, MAX_REST_MS));
}

/** However little is left of a certificate, rounds of tries are this far apart. */
const MIN_URGENT_MS = 30_000;

/**
 * A pause after a failure, shortened when what there is runs out: at most a third of what is left
 * of it, so that it is not slept through.
 */
export function whileItLasts(pause: number, left: number | undefined): number {
  if (left === undefined || left <= 0) return pause;
  return Math.min(pause, Math.max(MIN_URGENT_MS, left / 3));
}

/**
 * Milliseconds before another try: 1, 2, 4, … seconds up to a minute, of which a random half falls
 * away, so that a fleet does not come back in one wave. `failures` counts from 1.
 */
export function backoff(failures: number, random: () => number): number {
  const full = Math.min(1_000 * 2 ** (failures - 1), 60_000);
  return full / 2 + random() * full / 2;
}
