import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { exceeded } from "./session_limits.ts";
import type { Keepable, Unreached } from "./unreached.ts";

/** How long a session is kept whose bridge may not have seen WELCOME. */
const UNCONFIRMED_MS = 60_000;

/**
 * How long a session is kept once its machine has been heard of: a bridge that is alive there comes
 * back within seconds, and one that was killed never does.
 */
const RETURN_MS = 600_000;

export interface AbsenceOptions {
  readonly clock: Clock;
  readonly unreached: Unreached;
  /** Milliseconds for which a session is kept. */
  readonly unreachedMs: number;
  /** Aborted when the session is over. */
  readonly signal: AbortSignal;
}

/** The times in which a session's bridge is away: it is kept, within bounds. */
export class Absence {
  readonly #options: AbsenceOptions;
  readonly #session: Keepable;
  /** Aborted when the bridge is back. */
  #away: AbortController | undefined;
  /** When the bridge must be back, in milliseconds of the monotonic clock. */
  #until = 0;

  constructor(options: AbsenceOptions, session: Keepable) {
    this.#options = options;
    this.#session = session;
  }

  /** `confirmed`: the bridge has had WELCOME; without it nobody can show what is in it. */
  begin(confirmed: boolean): void {
    const kept = confirmed
      ? this.#options.unreachedMs
      : Math.min(this.#options.unreachedMs, UNCONFIRMED_MS);
    this.#away = new AbortController();
    this.#until = Infinity;
    this.#keep(kept, this.#away.signal);
    this.#options.unreached.add(this.#session);
  }

  /** Somebody else has come from the bridge's machine: it is awake, and has a network. */
  hasten(): void {
    if (this.#away) this.#keep(RETURN_MS, this.#away.signal);
  }

  #keep(ms: number, away: AbortSignal): void {
    const { clock, signal } = this.#options;
    const until = clock.monotonic() + ms;
    if (until >= this.#until) return;
    this.#until = until;
    const end = exceeded("unreached_timeout", `The bridge has been away for ${ms / 1000} s`);
    after(clock, ms, AbortSignal.any([away, signal]), () => {
      this.#session.end(end, end.message);
    });
  }

  /** What the session keeps has grown. */
  grown(): void {
    if (this.#away) this.#options.unreached.check();
  }

  /** The bridge is back, or the session is over. */
  finish(): void {
    this.#away?.abort();
    this.#away = undefined;
    this.#options.unreached.remove(this.#session);
  }
}
