/** The loop that bot and outputs share: work, rest, work again, and retry what failed. */
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Reload } from "./reload.ts";
import type { BotStatus } from "./status.ts";
import type { Bell } from "./bell.ts";
import { backoff, pauseAfterFailure, pauseAfterSuccess, whileItLasts } from "./schedule.ts";

export interface LoopContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly reload: Reload;
  /** Rings when the bot's own identity is fresh: what failed for want of it need not wait on. */
  readonly recovered: Bell;
  readonly random: () => number;
  readonly log: Log;
  readonly status: BotStatus;
  /** Called when a round has ended, well or not. */
  readonly onRound: () => void;
}

/** What may change from one round to the next is asked anew in each. */
export interface Loop {
  readonly name: string;
  /** How often the work is tried before the loop rests. */
  readonly tries: number;
  readonly interval: number;
  /** Does the work once; returns the milliseconds that what it won is good for. */
  work(): Promise<number>;
  /** Milliseconds that what was there before is good for, asked before any work succeeded. */
  left?(): number | undefined;
  /** Whether a failure ends the loop, and with it the bot. */
  isFatal(error: unknown): boolean;
}

/** Timers hold 31 bits of milliseconds, and fire at once when given more. */
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** Runs a loop until its signal is aborted, or until work fails in a way that ends it. */
export async function runLoop(loop: Loop, context: LoopContext): Promise<void> {
  const { clock, signal, reload, random, log, recovered, status } = context;
  let failures = 0;
  /** On the clock that only grows: setting the other one must cost nobody a certificate. */
  let ends: number | undefined;
  while (!signal.aborted) {
    const served = reload.requests;
    reload.begun();
    let pause: number;
    let failed = false;
    try {
      status.begin(loop.name);
      const life = await loop.work();
      ends = clock.monotonic() + life;
      status.succeeded(loop.name, failures + 1);
      failures = 0;
      pause = pauseAfterSuccess(life, loop.interval, random);
    } catch (error) {
      if (signal.aborted) return;
      if (loop.isFatal(error)) throw error;
      failures++;
      const found = error instanceof Error ? error.message : String(error);
      const last = failures >= loop.tries;
      status.failed(loop.name, found, { tries: failures, givenUp: last });
      const left = ends === undefined ? loop.left?.() : ends - clock.monotonic();
      const full = last ? pauseAfterFailure(loop.interval) : backoff(failures, random);
      pause = whileItLasts(full, left);
      const fields = { service: loop.name, found, failures, seconds: Math.round(pause / 1_000) };
      if (last) log.error("renewal failed, waiting for the next round", fields);
      else log.warn("renewal failed, trying again", fields);
      if (last) failures = 0;
      failed = true;
    }
    if (failures === 0) context.onRound();
    await rest(pause, served, context, failed ? recovered : undefined);
  }
}

/** Waits for the time to pass, a reload, the bell or the end, whichever comes first. */
async function rest(
  ms: number,
  served: number,
  { clock, signal, reload }: LoopContext,
  bell?: Bell,
): Promise<void> {
  // A request that came during the work has been heard by nobody yet.
  if (reload.requests !== served || signal.aborted) return;
  const woken = new AbortController();
  const wake = () => woken.abort();
  const stops = [reload.subscribe(wake), bell?.subscribe(wake)];
  signal.addEventListener("abort", wake);
  try {
    await clock.sleep(Math.min(ms, MAX_SLEEP_MS), woken.signal);
  } catch (error) {
    if (!woken.signal.aborted) throw error;
  } finally {
    for (const stop of stops) stop?.();
    signal.removeEventListener("abort", wake);
  }
}

/** The result of `work`, unless the signal is aborted first; then its reason is thrown. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Whoever has given up waiting must not be ended by how it turned out.
  work.catch(() => {});
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
