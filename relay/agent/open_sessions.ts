/** The sessions of an agent: found by their id, summed up, and made room among. */
import type { OpenSession, SessionClaims } from "../../identity/mod.ts";
import type { End } from "../wire/handshake.ts";
import type { Session } from "./session.ts";
import { type SessionNumbers, tooMany } from "./session_limits.ts";
import type { Unreached } from "./unreached.ts";

/** What is known of a session beside what it does. */
interface Opened {
  /** As it was opened: a resume brings a certificate with another one. */
  readonly id: string;
  readonly started: Date;
}

export class OpenSessions {
  readonly #sessions = new Map<Session, Opened>();
  readonly #unreached: Unreached;

  constructor(unreached: Unreached) {
    this.#unreached = unreached;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Bytes of messages that are kept because somebody has to take or record them first. */
  get held(): number {
    return this.all().reduce((sum, { held }) => sum + held, 0);
  }

  /** How many have a server that waits because the client, or the audit log, is slow. */
  get stalled(): number {
    return this.all().filter(({ stalled }) => stalled).length;
  }

  all(): Session[] {
    return [...this.#sessions.keys()];
  }

  /** Each as long as it lasts. */
  list(): OpenSession[] {
    return [...this.#sessions].map(([session, { id, started }]) => {
      const { address, claims: { app, bot, instance }, closed } = session;
      return {
        ...{ id, bot, instance, app, address, started, closed },
        get ended() {
          return session.ended;
        },
      };
    });
  }

  find(id: string): Session | undefined {
    for (const [session, opened] of this.#sessions) if (opened.id === id) return session;
    return undefined;
  }

  /** Keeps a session until it is closed. */
  async keep(session: Session, opened: Opened): Promise<void> {
    this.#sessions.set(session, opened);
    await session.closed;
    this.#sessions.delete(session);
  }

  /** Why one more would be too many; those whose bridge is away make room for it. */
  excess(claims: SessionClaims, numbers: SessionNumbers): End | undefined {
    const given = new Set<SessionClaims>();
    while (true) {
      const open = this.all().map((session) => session.claims);
      const excess = tooMany(claims, open.filter((each) => !given.has(each)), numbers);
      if (excess === undefined) return undefined;
      const fits = ({ app, bot }: SessionClaims) =>
        excess.limit === "sessions_per_bot"
          ? bot === claims.bot
          : excess.limit !== "sessions_per_app" || app === claims.app;
      const yielded = this.#unreached.yield(fits);
      if (yielded === undefined) return excess;
      given.add(yielded);
    }
  }
}
