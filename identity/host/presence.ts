import type { App } from "../app.ts";
import type { PresentedApps } from "../authority/api.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";

export interface PresenceOptions {
  /** Tells the authority. */
  readonly present: (apps: readonly App[]) => Promise<PresentedApps>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Said so many times before the lease could end, one loss does no harm. */
const TIMES_A_LEASE = 3;
const RETRY_MS = 5_000;

/** Keeps the cluster knowing which apps this agent serves, and knows which of them it may. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #listeners = new Set<() => void>();
  #apps: readonly App[] = [];
  #accepted = new Map<string, App>();
  #refused = "";
  #lease = RETRY_MS;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#repeat().catch(() => {});
  }

  /** Resolves when the authority has taken them; rejects when it cannot be told. */
  async present(apps: readonly App[]): Promise<void> {
    this.#apps = apps;
    await this.#say();
  }

  /** An app that this agent serves and may serve. */
  app(name: string): App | undefined {
    return this.#accepted.get(name);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #say(): Promise<void> {
    const apps = this.#apps;
    const { lease, refused } = await this.#options.present(apps);
    this.#lease = lease / TIMES_A_LEASE;
    const names = new Set(refused.map(({ app }) => app));
    const told = JSON.stringify(refused);
    if (told !== this.#refused) {
      this.#refused = told;
      for (const { app, because } of refused) {
        this.#options.log.error("The cluster does not take an app of this agent", { app, because });
      }
    }
    const before = JSON.stringify([...this.#accepted.values()]);
    this.#accepted = new Map(
      apps.filter(({ name }) => !names.has(name)).map((app) => [app.name, app]),
    );
    if (JSON.stringify([...this.#accepted.values()]) === before) return;
    for (const listener of [...this.#listeners]) listener();
  }

  async #repeat(): Promise<void> {
    const { clock, log, signal } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(this.#lease, signal);
      try {
        await this.#say();
      } catch (error) {
        this.#lease = RETRY_MS;
        log.warn("Cannot tell the cluster what this agent serves", { error: String(error) });
      }
    }
  }
}
