import type { Change } from "./store.ts";

export type Listener = (changes: readonly Change[]) => void;

/** What has changed since a revision, and the revision that this leads to. */
export interface News {
  readonly changes: readonly Change[];
  readonly revision: number;
}

/**
 * Tells listeners of commits, their own process's and others', in the order of revisions: each call
 * takes them from the state at one revision to that at a later one.
 */
export class Deliveries {
  readonly #listeners = new Set<Listener>();
  /** Reads whose answers may be older than what is delivered next. */
  readonly #reads = new Set<Promise<unknown>>();
  readonly #fetch: (since: number) => Promise<News>;
  #revision: number;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(revision: number, fetch: (since: number) => Promise<News>) {
    this.#revision = revision;
    this.#fetch = fetch;
  }

  /** What listeners have been told. */
  get revision(): number {
    return this.#revision;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Lets a read end before anything is delivered: who keeps a copy of what it has read and follows
   * the changes would otherwise put the older state over the newer one.
   */
  afterwards<T>(read: Promise<T>): Promise<T> {
    this.#reads.add(read);
    const done = () => void this.#reads.delete(read);
    read.then(done, done);
    return read;
  }

  /** Delivers what others have committed, if there is anything. */
  catchUp(): Promise<void> {
    return this.#inTurn(() => this.#deliverNews());
  }

  /** Delivers what this process has committed on top of the revision `before`. */
  commit(before: number, own: News): Promise<void> {
    return this.#inTurn(async () => {
      if (own.revision <= this.#revision) return;
      if (before === this.#revision) return await this.#deliver(own);
      try {
        await this.#deliverNews();
      } catch {
        // The database went away behind the commit. Its own news is not held back; it comes again
        // with that of the others, in its place.
        await this.#deliver({ ...own, revision: this.#revision });
      }
    });
  }

  async #deliverNews(): Promise<void> {
    const news = await this.#fetch(this.#revision);
    if (news.revision > this.#revision) await this.#deliver(news);
  }

  async #deliver({ changes, revision }: News): Promise<void> {
    await Promise.allSettled(this.#reads);
    this.#revision = revision;
    if (changes.length > 0) { for (const listener of this.#listeners) listener(changes); }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }
}
