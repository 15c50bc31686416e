import { PostgresLink } from "./_postgres_link.ts";
import type { PostgresAddress } from "./postgres_url.ts";

/** Whom commits wake, over all clusters of a database. */
export const CHANNEL = "postern_commits";

export interface FollowerOptions {
  readonly address: PostgresAddress;
  readonly patienceMs: number;
  /** The payload of this process's own notifications, which say nothing new. */
  readonly self: string;
  readonly catchUp: () => Promise<void>;
}

/** How often it looks without having been woken: notifications can be lost with a connection. */
const POLL_MS = 1000;

/** Looks for what other processes have committed whenever one says so, and once a second. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #link: PostgresLink;
  readonly #ended: Promise<void>;
  #listening: object | undefined;
  #wake = () => {};
  #woken = false;
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const { address, patienceMs, self } = options;
    this.#link = new PostgresLink({
      address,
      patienceMs,
      max: 1,
      onNotify: (payload) => payload !== self && this.#alarm(),
      onLost: () => this.#alarm(),
    });
    this.#ended = this.#follow();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#alarm();
    await this.#link.close();
    await this.#ended;
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#listen();
        this.#woken = false;
        await this.#options.catchUp();
      } catch {
        // The database is away, and whoever asks it for something is told; this asks again.
      }
      if (!this.#closed) await this.#pause();
    }
  }

  /** Listens on a connection of its own; on a new one, once that has broken. */
  async #listen(): Promise<void> {
    if (this.#listening !== undefined && this.#link.healthy) return;
    await this.#link.read(async (sql) => {
      await sql.unsafe(`LISTEN ${CHANNEL}`);
      this.#listening = sql;
    });
  }

  #alarm(): void {
    this.#woken = true;
    this.#wake();
  }

  #pause(): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
