import type { Clock } from "./clock.ts";

/** How often the two clocks are compared. */
const EVERY_MS = 10_000;

/** Less than this is a clock that is being put right, or a machine that is busy. */
const JUMP_MS = 5_000;
const LATE_MS = 30_000;

/**
 * Calls `onJump` when time has passed that no timer saw: the machine slept, or somebody set its
 * clock. On Linux and macOS timers stand still during sleep, so what was due an hour ago would
 * otherwise wait an hour more. Resolves when the signal is aborted.
 */
export async function watchClock(
  clock: Clock,
  signal: AbortSignal,
  onJump: (ms: number) => void,
): Promise<void> {
  while (!signal.aborted) {
    const wall = clock.now().getTime();
    const steady = clock.monotonic();
    try {
      await clock.sleep(EVERY_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const passed = clock.monotonic() - steady;
    const jump = clock.now().getTime() - wall - passed;
    // Elsewhere the steady clock goes on during sleep, and the timer comes late.
    if (Math.abs(jump) > JUMP_MS) onJump(jump);
    else if (passed > EVERY_MS + LATE_MS) onJump(passed - EVERY_MS);
  }
}
