/**
 * Sessions whose bridge is away: few, small, and the first to go when there is no room. Whoever has
 * the most gives way first, so that a bot whose bridges die again and again costs nobody else theirs.
 */
import type { SessionClaims } from "../../identity/mod.ts";
import type { LimitName } from "../limit.ts";
import type { End } from "../wire/handshake.ts";
import { exceeded } from "./session_limits.ts";

export interface UnreachedLimits {
  readonly unreachedSessions: number;
  /** Bytes of messages that such sessions keep, of all together. */
  readonly unreachedBytes: number;
}

/** What is to be known of a session for that. */
export interface Keepable {
  readonly claims: SessionClaims;
  /** Bytes of messages. */
  readonly held: number;
  end(end: End, because: string): void;
  /** The bridge's machine is there: whoever is alive on it comes back soon. */
  hasten(): void;
}

export class Unreached {
  readonly #limits: UnreachedLimits;
  /** In the order in which they were lost. */
  readonly #sessions = new Set<Keepable>();

  constructor(limits: UnreachedLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  add(session: Keepable): void {
    this.#sessions.add(session);
    this.check();
  }

  /** Its bridge has come back, or it is over. */
  remove(session: Keepable): void {
    this.#sessions.delete(session);
  }

  /** A bridge has come from the machine of this bot instance. */
  heardOf({ bot, instance }: SessionClaims): void {
    for (const session of this.#sessions) {
      const { claims } = session;
      if (claims.bot === bot && claims.instance === instance) session.hasten();
    }
  }

  /** Ends some while there are too many or they hold too much. */
  check(): void {
    const { unreachedBytes, unreachedSessions } = this.#limits;
    while (this.#sessions.size > unreachedSessions) {
      this.#endFirst(() => 1, "unreached_sessions", "Too many sessions wait for their bridges");
    }
    while (this.#sessions.size > 0 && this.#held() > unreachedBytes) {
      const message = "Sessions that wait for their bridges hold too much";
      this.#endFirst(({ held }) => held, "unreached_memory", message);
    }
  }

  /** Ends one of these for somebody who is there; whose it was, if there is one. */
  yield(fits: (claims: SessionClaims) => boolean): SessionClaims | undefined {
    for (const session of this.#sessions) {
      if (!fits(session.claims)) continue;
      this.#end(session, "unreached_sessions", "Its place was needed while its bridge was away");
      return session.claims;
    }
    return undefined;
  }

  #held(): number {
    let sum = 0;
    for (const { held } of this.#sessions) sum += held;
    return sum;
  }

  /** The one that was lost first of the bot that has the most. */
  #endFirst(weight: (session: Keepable) => number, limit: LimitName, message: string): void {
    const sums = new Map<string, number>();
    for (const session of this.#sessions) {
      const { bot } = session.claims;
      sums.set(bot, (sums.get(bot) ?? 0) + weight(session));
    }
    const most = Math.max(...sums.values());
    for (const session of this.#sessions) {
      if (sums.get(session.claims.bot) === most) return this.#end(session, limit, message);
    }
  }

  #end(session: Keepable, limit: LimitName, message: string): void {
    this.#sessions.delete(session);
    const end = exceeded(limit, message);
    session.end(end, end.message);
  }
}
