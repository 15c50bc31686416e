/**
 * Follows the cluster from another process, for as long as that runs: connects, goes on where it
 * was, and knows how old its knowledge may be.
 */
import type { ConnectOptions } from "../authority/client.ts";
import type { News } from "../authority/view.ts";
import { backoff } from "../bot/schedule.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import { isUnreachable } from "../host/host_client.ts";
import type { Log } from "../log.ts";
import type { ClusterFacts } from "./facts.ts";
import type { StreamLine, StreamQuestion, Version } from "./line.ts";
import { DEFAULT_NEWS_AGES, NewsAge, type NewsAges } from "./news_age.ts";
import { openStream } from "./open_stream.ts";
import { Replica } from "./replica.ts";

export interface FollowOptions {
  /** Asked for each connection, since certificates are renewed. */
  readonly connect: () => ConnectOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly ages?: NewsAges;
  /** A way to the authority has failed. */
  readonly onUnreachable?: (proxy: string) => void;
  readonly onQuestion?: (question: StreamQuestion) => void;
  /** After each commit, with its listeners called already. */
  readonly onCommit?: (version: Version) => void;
  readonly random?: () => number;
  /** For tests. */
  readonly open?: typeof openStream;
}

/** Clocks of two machines drift apart; a new stream lets them begin together. */
const REANCHOR_MS = 600_000;
const MAX_WAIT_MS = 5_000;

export class ClusterFollower {
  readonly replica = new Replica();
  readonly #options: FollowOptions;
  readonly #ages: NewsAges;
  readonly #age: NewsAge;
  readonly #listeners = new Set<() => void>();
  readonly #first = Promise.withResolvers<void>();
  #facts: ClusterFacts | undefined;
  /** The authority itself has said that this host may know nothing. */
  #banned = false;
  #news: News = "lost";

  private constructor(options: FollowOptions) {
    this.#options = options;
    this.#ages = options.ages ?? DEFAULT_NEWS_AGES;
    this.#age = new NewsAge(options.clock);
  }

  /** Resolves once the cluster is known as it is now. */
  static async open(options: FollowOptions): Promise<ClusterFollower> {
    const follower = new ClusterFollower(options);
    const { signal } = options;
    signal.addEventListener("abort", () => follower.#first.reject(signal.reason), { once: true });
    follower.#first.promise.catch(() => {});
    follower.#followAlways().catch(() => {});
    follower.#watchAge().catch(() => {});
    await follower.#first.promise;
    return follower;
  }

  get facts(): ClusterFacts {
    return this.#facts!;
  }

  news(): News {
    const age = this.#age.milliseconds;
    if (this.#banned || age >= this.#ages.lost) return "lost";
    return age >= this.#ages.stale ? "stale" : "fresh";
  }

  /** Calls `listener` when items, facts or the age of news have changed. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #followAlways(): Promise<void> {
    const { clock, log, random = Math.random, signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#followOnce(() => failures = 0);
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#ban(isBan(error));
        log.warn("Cannot follow the cluster's changes", { error: String(error) });
        await clock.sleep(Math.min(backoff(failures, random), MAX_WAIT_MS), signal);
      }
    }
  }

  async #followOnce(onPulse: () => void): Promise<void> {
    const { clock, connect, onUnreachable, open = openStream, signal } = this.#options;
    const began = clock.monotonic();
    const connection = connect();
    this.#age.asked();
    this.replica.restart();
    try {
      for await (const line of open(connection, this.replica.version, signal)) {
        this.#take(line);
        if (!("pulse" in line)) continue;
        onPulse();
        if (clock.monotonic() - began >= REANCHOR_MS) return;
      }
    } catch (error) {
      if (isUnreachable(error)) onUnreachable?.(connection.proxy);
      throw error;
    }
    throw new IdentityError("API_UNREACHABLE", "The authority has ended the change stream");
  }

  #take(line: StreamLine): void {
    if ("pulse" in line) this.#pulse(line.pulse);
    else if ("facts" in line) this.#learn(line.facts);
    else if ("ask" in line) this.#options.onQuestion?.(line.ask);
    else if ("end" in line) throw new IdentityError("ACCESS_DENIED", line.end.message);
    else if (this.replica.apply(line)) {
      // Whoever listens to the replica itself has been told by now.
      this.#tell();
      this.#options.onCommit?.(this.replica.version!);
    }
  }

  #pulse(milliseconds: number): void {
    this.#age.pulse(milliseconds);
    this.#ban(false);
    this.#noteNews();
    if (this.#facts && this.replica.version) this.#first.resolve();
  }

  #learn(facts: ClusterFacts): void {
    this.#facts = facts;
    this.#tell();
  }

  #ban(banned: boolean): void {
    this.#banned = banned;
    this.#noteNews();
  }

  #noteNews(): void {
    const news = this.news();
    if (news === this.#news) return;
    this.#news = news;
    if (news === "fresh") this.#options.log.info("The cluster's news are fresh");
    else this.#options.log.warn("The cluster's news are old", { news });
    this.#tell();
  }

  async #watchAge(): Promise<void> {
    const { clock, signal } = this.#options;
    const { lost, stale } = this.#ages;
    while (!signal.aborted) {
      const age = this.#age.milliseconds;
      const next = age < stale ? stale - age : age < lost ? lost - age : stale;
      await clock.sleep(Math.max(1, next), signal);
      this.#noteNews();
    }
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Said by the authority itself, since nobody else has its certificate. */
function isBan(error: unknown): boolean {
  return error instanceof IdentityError &&
    (error.code === "ACCESS_DENIED" || error.code === "LOCKED");
}
