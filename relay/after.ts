import type { Clock } from "../identity/mod.ts";

/** Longer timers than this fire at once on some runtimes. */
const MAX_TIMER_MS = 0x7fffffff;

/** Calls `act` after a while, unless `signal` is aborted before. */
export function after(clock: Clock, ms: number, signal: AbortSignal, act: () => void): void {
  const bounded = Math.min(Math.max(0, ms), MAX_TIMER_MS);
  clock.sleep(bounded, signal).then(act, () => {});
}
