/** How many sessions there may be, and for how long. */
import type { Clock, SessionClaims } from "../../identity/mod.ts";
import { after } from "../after.ts";
import type { End } from "../wire/handshake.ts";

export interface SessionLimits {
  /** Open sessions at a time: of the agent, of one bot, of one app. */
  readonly sessions: number;
  readonly sessionsPerBot: number;
  readonly sessionsPerApp: number;
  /** Milliseconds without a message from either side; no limit when absent. */
  readonly idleMs: number | undefined;
  /** Milliseconds from a session's start, within what its certificate allows. */
  readonly durationMs: number | undefined;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  sessions: 4096,
  sessionsPerBot: 256,
  sessionsPerApp: 1024,
  idleMs: undefined,
  durationMs: undefined,
};

/** Why one more session would be too many; nothing when it is not. */
export function tooMany(
  { bot, app }: SessionClaims,
  open: Iterable<SessionClaims>,
  limits: SessionLimits,
): End | undefined {
  let [all, ofBot, ofApp] = [0, 0, 0];
  for (const claims of open) {
    all++;
    if (claims.bot === bot) ofBot++;
    if (claims.app === app) ofApp++;
  }
  if (ofBot >= limits.sessionsPerBot) {
    return exceeded(
      `Bot "${bot}" has ${ofBot} sessions here, as many as it may (sessions_per_bot)`,
    );
  }
  if (ofApp >= limits.sessionsPerApp) {
    return exceeded(`App "${app}" has ${ofApp} sessions, as many as it may (sessions_per_app)`);
  }
  if (all >= limits.sessions) {
    return exceeded("The agent has as many sessions as it may (sessions)");
  }
  return undefined;
}

/** Watches over the time of one session. */
export class SessionTime {
  readonly #clock: Clock;
  #last: number;

  /** `end` is called once, unless `signal` is aborted before. */
  constructor(
    { clock, signal, limits: { idleMs, durationMs } }: {
      readonly clock: Clock;
      readonly signal: AbortSignal;
      readonly limits: SessionLimits;
    },
    end: (end: End) => void,
  ) {
    this.#clock = clock;
    this.#last = clock.monotonic();
    if (durationMs !== undefined) {
      after(
        clock,
        durationMs,
        signal,
        () =>
          end(
            exceeded(
              `The session has lasted as long as it may, ${durationMs / 1000} s (max_duration)`,
            ),
          ),
      );
    }
    if (idleMs !== undefined) this.#watch(idleMs, idleMs, signal, end);
  }

  /** A message has come or gone. */
  touch(): void {
    this.#last = this.#clock.monotonic();
  }

  #watch(ms: number, idleMs: number, signal: AbortSignal, end: (end: End) => void): void {
    after(this.#clock, ms, signal, () => {
      const left = idleMs - (this.#clock.monotonic() - this.#last);
      if (left > 0) return this.#watch(left, idleMs, signal, end);
      end(exceeded(`Nobody has said anything for ${idleMs / 1000} s (idle_timeout)`));
    });
  }
}

function exceeded(message: string): End {
  return { code: "LIMIT_EXCEEDED", message };
}
