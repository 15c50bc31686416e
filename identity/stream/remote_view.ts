import type { Approved, Role } from "../../policy/mod.ts";
import type { App } from "../app.ts";
import { LiveView } from "../authority/live_view.ts";
import type { ClusterView, Locked, News, Standing } from "../authority/view.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { ClusterFollower } from "./cluster_follower.ts";

export interface RemoteViewOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** An app that this agent serves, as the cluster has taken it. */
  readonly app: (name: string) => App | undefined;
  /** Calls the listener when the answer of `app` may be another one. */
  readonly onApps: (listener: () => void) => () => void;
}

/** The live view of an agent in another process than the authority: over its copy of the items. */
export class RemoteView implements ClusterView {
  readonly cluster: string;
  readonly #follower: ClusterFollower;
  readonly #view: LiveView;
  readonly #options: RemoteViewOptions;

  private constructor(follower: ClusterFollower, view: LiveView, options: RemoteViewOptions) {
    this.cluster = view.cluster;
    this.#follower = follower;
    this.#view = view;
    this.#options = options;
  }

  static async open(follower: ClusterFollower, options: RemoteViewOptions): Promise<RemoteView> {
    const { clock, log } = options;
    const view = await LiveView.open({
      cluster: follower.facts.cluster,
      store: follower.replica,
      userCas: () => follower.facts.agent?.userCas ?? [],
      clock,
      log,
    });
    return new RemoteView(follower, view, options);
  }

  userCas(): readonly string[] {
    return this.#view.userCas();
  }

  app(name: string): App | undefined {
    return this.#options.app(name);
  }

  /** App resources, which the agent takes up by their labels. */
  appResources(): App[] {
    return this.#view.appResources();
  }

  role(name: string): Role | undefined {
    return this.#view.role(name);
  }

  approved(app: string): Approved | undefined {
    return this.#view.approved(app);
  }

  standing(bot: string, instance: string): Standing {
    return this.#view.standing(bot, instance);
  }

  locked(roles: readonly string[], app: string): Locked | undefined {
    return this.#view.locked(roles, app);
  }

  news(): News {
    return this.#follower.news();
  }

  subscribe(listener: () => void): () => void {
    // Items change before the follower tells, so whoever is told by it sees them.
    const stops = [this.#follower.subscribe(listener), this.#options.onApps(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }
}
