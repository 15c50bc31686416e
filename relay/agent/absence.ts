import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import type { End } from "../wire/handshake.ts";
import { exceeded } from "./session_limits.ts";
import type { Keepable, Unreached } from "./unreached.ts";

/** How long a session is kept whose bridge may not have seen WELCOME. */
const UNCONFIRMED_MS = 60_000;

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

  constructor(options: AbsenceOptions, session: Keepable) {
    this.#options = options;
    this.#session = session;
  }

  /** `confirmed`: the bridge has had WELCOME; without it nobody can show what is in it. */
  begin(confirmed: boolean): void {
    const { clock, signal, unreached } = this.#options;
    const kept = confirmed
      ? this.#options.unreachedMs
      : Math.min(this.#options.unreachedMs, UNCONFIRMED_MS);
    const away = this.#away = new AbortController();
    const message = `The bridge has been away for ${kept / 1000} s`;
    const end: End = exceeded("unreached_timeout", message);
    after(clock, kept, AbortSignal.any([away.signal, signal]), () => {
      this.#session.end(end, end.message);
    });
    unreached.add(this.#session);
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
