/** How many sessions there may be, and for how long. */
import type { AppLimits, Clock, SessionClaims } from "../../identity/mod.ts";
import { after } from "../after.ts";
import type { GateRecord } from "../gate/step.ts";
import type { LimitName } from "../limit.ts";
import type { End } from "../wire/handshake.ts";

/** Open sessions at a time: of the agent, of one bot, of one app. */
export interface SessionNumbers {
  readonly sessions: number;
  readonly sessionsPerBot: number;
  readonly sessionsPerApp: number;
}

/** Why one more session would be too many; nothing when it is not. */
export function tooMany(
  { bot, app }: SessionClaims,
  open: Iterable<SessionClaims>,
  limits: SessionNumbers,
): End | undefined {
  let [all, ofBot, ofApp] = [0, 0, 0];
  for (const claims of open) {
    all++;
    if (claims.bot === bot) ofBot++;
    if (claims.app === app) ofApp++;
  }
  if (ofBot >= limits.sessionsPerBot) {
    const message = `Bot "${bot}" has ${ofBot} sessions here, as many as it may`;
    return exceeded("sessions_per_bot", message);
  }
  if (ofApp >= limits.sessionsPerApp) {
    return exceeded("sessions_per_app", `App "${app}" has ${ofApp} sessions, as many as it may`);
  }
  if (all >= limits.sessions) {
    return exceeded("sessions", "The agent has as many sessions as it may");
  }
  return undefined;
}

export interface SessionTimeOptions {
  readonly app: string;
  readonly clock: Clock;
  /** Aborted when the session is over. */
  readonly signal: AbortSignal;
  readonly limits: Pick<AppLimits, "idleMs" | "durationMs" | "startMs">;
}

/** Watches over the time of one session. */
export class SessionTime {
  readonly #options: SessionTimeOptions;
  readonly #clock: Clock;
  readonly #end: (end: End) => void;
  readonly #answered = new AbortController();
  #asked = false;
  #last: number;

  /** `end` is called once, unless `signal` is aborted before. */
  constructor(options: SessionTimeOptions, end: (end: End) => void) {
    const { clock, signal, limits: { idleMs, durationMs } } = options;
    this.#options = options;
    this.#clock = clock;
    this.#end = end;
    this.#last = clock.monotonic();
    if (durationMs !== undefined) {
      const message = `The session has lasted as long as it may, ${durationMs / 1000} s`;
      after(clock, durationMs, signal, () => end(exceeded("max_duration", message)));
    }
    if (idleMs !== undefined) this.#watch(idleMs, idleMs, signal, end);
  }

  /** A message has come or gone. */
  touch(): void {
    this.#last = this.#clock.monotonic();
  }

  /** The server has been asked something; if it was who it is, `answered()` is to follow. */
  asked(records: readonly GateRecord[]): void {
    if (this.#asked || !records.some(isGreeting)) return;
    this.#asked = true;
    const { app, limits: { startMs }, signal } = this.#options;
    const message = `MCP server "${app}" has not answered within ${startMs / 1000} s`;
    const waiting = AbortSignal.any([signal, this.#answered.signal]);
    after(
      this.#clock,
      startMs,
      waiting,
      () => this.#end(exceeded("start_timeout", message)),
    );
  }

  /** The server has said something. */
  answered(): void {
    if (this.#asked && !this.#answered.signal.aborted) this.#answered.abort();
  }

  #watch(ms: number, idleMs: number, signal: AbortSignal, end: (end: End) => void): void {
    after(this.#clock, ms, signal, () => {
      const left = idleMs - (this.#clock.monotonic() - this.#last);
      if (left > 0) return this.#watch(left, idleMs, signal, end);
      end(exceeded("idle_timeout", `Nobody has said anything for ${idleMs / 1000} s`));
    });
  }
}

/** The first request of a session in either era. */
function isGreeting({ kind, method }: GateRecord): boolean {
  return kind === "request" && (method === "initialize" || method === "server/discover");
}

/** The end of a session that has met a limit, which its message names. */
export function exceeded(limit: LimitName, message: string): End {
  return { code: "LIMIT_EXCEEDED", message: `${message} (${limit})`, limit };
}
