/** When to renew, and when to try again: the questions apart from the loops that wait. */

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * When to replace a certificate: two thirds into its life, so that a failed attempt leaves a third
 * of the lifetime for retries.
 */
export function renewAt(cert: Validity): Date {
  const start = cert.notBefore.getTime();
  const life = cert.notAfter.getTime() - start;
  return new Date(start + Math.floor(life * 2 / 3));
}

/** However short a certificate lives, a loop rests this long between renewals. */
const MIN_PAUSE_MS = 1_000;

/**
 * Milliseconds until the next renewal after one that worked: the configured interval, or less when
 * the certificate asks for it.
 */
export function pauseAfterSuccess(cert: Validity, interval: number, now: Date): number {
  return Math.max(MIN_PAUSE_MS, Math.min(interval, renewAt(cert).getTime() - now.getTime()));
}

/** However long the interval, a bot whose authority was away comes back within this time. */
const MAX_REST_MS = 5 * 60_000;

/** Milliseconds until the next round of tries after one in which all failed. */
export function pauseAfterFailure(interval: number): number {
  return Math.max(MIN_PAUSE_MS, Math.min(interval, MAX_REST_MS));
}

/**
 * Milliseconds before another try: 1, 2, 4, … seconds up to a minute, of which a random half falls
 * away, so that a fleet does not come back in one wave. `failures` counts from 1.
 */
export function backoff(failures: number, random: () => number): number {
  const full = Math.min(1_000 * 2 ** (failures - 1), 60_000);
  return full / 2 + random() * full / 2;
}
