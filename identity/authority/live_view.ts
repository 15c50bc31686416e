/**
 * The live view of a cluster whose store is in this process: every commit is in it before the
 * writer hears that it happened.
 */
import { parseRole } from "../../policy/mod.ts";
import type { Approved, Role } from "../../policy/mod.ts";
import { approvedOf } from "../access/approved_of.ts";
import type { App } from "../app.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import type { Change, Item, ItemKind, Store } from "../storage/store.ts";
import type {
  AgentItem,
  AppItem,
  ApprovalItem,
  BotItem,
  LockItem,
  LockTarget,
  RoleItem,
} from "./cluster.ts";
import { type ClusterKeys, trustedCertificates } from "./cluster_keys.ts";
import type { ClusterView, Locked, News, Standing } from "./view.ts";

const FOLLOWED: readonly ItemKind[] = ["agent", "app", "approval", "bot", "ca", "lock", "role"];

/**
 * Milliseconds by which agents of one app may be behind each other: they say that they are there
 * every 20 s, and one that has missed its turn may have died.
 */
const LATE_MS = 25_000;

export interface LiveViewOptions {
  readonly cluster: string;
  readonly store: Pick<Store, "list" | "subscribe">;
  /** As they were stored a moment ago; absent where the cluster is known from afar. */
  readonly keys?: ClusterKeys;
  /** What is trusted there. */
  readonly userCas?: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export class LiveView implements ClusterView {
  readonly cluster: string;
  readonly #options: LiveViewOptions;
  readonly #roles = new Map<string, Role>();
  readonly #bots = new Map<string, BotItem>();
  readonly #locks = new Map<string, Item<LockItem>>();
  readonly #agents = new Map<string, Item<AgentItem>>();
  readonly #resources = new Map<string, AppItem>();
  readonly #approvals = new Map<string, ApprovalItem>();
  #keys: ClusterKeys | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(options: LiveViewOptions) {
    this.cluster = options.cluster;
    this.#options = options;
    this.#keys = options.keys;
  }

  static async open(options: LiveViewOptions): Promise<LiveView> {
    const view = new LiveView(options);
    // Subscribed before the first read, so that nothing falls between the two.
    options.store.subscribe((changes) => view.#follow(changes));
    for (const kind of FOLLOWED) {
      for (const item of await options.store.list(kind)) view.#apply({ ...item, item });
    }
    return view;
  }

  /** The keys of the cluster, for those who sign in this process. */
  get keys(): ClusterKeys {
    if (this.#keys === undefined) throw new IdentityError("INTERNAL", "The keys are not here");
    return this.#keys;
  }

  userCas(): readonly string[] {
    if (this.#keys === undefined) return this.#options.userCas?.() ?? [];
    return trustedCertificates(this.#keys, "user");
  }

  app(name: string): App | undefined {
    return this.agentOf(name)?.app;
  }

  role(name: string): Role | undefined {
    return this.#roles.get(name);
  }

  /** Apps that some agent serves, by name. */
  apps(): App[] {
    const apps = new Map<string, App>();
    for (const [, { apps: served }] of this.#liveAgents()) {
      for (const app of served) apps.set(app.name, app);
    }
    return [...apps.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** App resources, which agents take up by their labels. */
  appResources(): App[] {
    return [...this.#resources.values()];
  }

  /**
   * An agent that serves the app, `preferred` if it does and otherwise any of several that have been
   * heard of lately, and the app as that agent describes it.
   */
  agentOf(
    name: string,
    preferred?: string,
  ): { readonly host: string; readonly app: App } | undefined {
    const places: { host: string; app: App; until: number }[] = [];
    for (const [host, { apps }] of this.#liveAgents()) {
      const app = apps.find((served) => served.name === name);
      if (app && host === preferred) return { host, app };
      if (app) places.push({ host, app, until: this.#agents.get(host)!.expires?.getTime() ?? 0 });
    }
    // Those of this process have no lease.
    const latest = Math.max(...places.map(({ until }) => until));
    const there = places.filter(({ until }) => until === 0 || until > latest - LATE_MS);
    return there[Math.floor(Math.random() * there.length)];
  }

  /** Agents that are believed to be there, and may be. */
  *#liveAgents(): Iterable<[string, AgentItem]> {
    const now = this.#options.clock.now();
    for (const [host, { value, expires }] of this.#agents) {
      // The store tells nobody when an item expires.
      if (expires !== undefined && expires <= now) this.#agents.delete(host);
      else if (this.hostLocked(host) === undefined) yield [host, value];
    }
  }

  approved(app: string): Approved | undefined {
    return approvedOf(app, this.#approvals.values());
  }

  standing(bot: string, instance: string): Standing {
    const lock = this.#lockOn((target) =>
      target.bot === bot || target.instance === instance ||
      target.token?.instances.includes(instance) === true
    );
    if (lock) return { kind: "locked", message: lock.message };
    const item = this.#bots.get(bot);
    if (!item) return { kind: "gone" };
    return { kind: "live", roles: item.roles, traits: item.traits };
  }

  /** Why a host may do nothing now; the message may be empty. */
  hostLocked(host: string): string | undefined {
    return this.#lockOn((target) => target.host === host)?.message;
  }

  locked(roles: readonly string[], app: string): Locked | undefined {
    const lock = this.#lockOn((target) =>
      target.app === app || (target.role !== undefined && roles.includes(target.role))
    );
    if (lock === undefined) return undefined;
    const { message, target: { role } } = lock;
    return { what: role === undefined ? `app "${app}"` : `role "${role}"`, message };
  }

  #lockOn(fits: (target: LockTarget) => boolean): LockItem | undefined {
    const now = this.#options.clock.now();
    for (const [name, { value, expires }] of this.#locks) {
      // The store tells nobody when an item expires.
      if (expires !== undefined && expires <= now) this.#locks.delete(name);
      else if (fits(value.target)) return value;
    }
    return undefined;
  }

  /** What is in this process is never old. */
  news(): News {
    return "fresh";
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #follow(changes: readonly Change[]): void {
    let followed = false;
    for (const change of changes) followed = this.#apply(change) || followed;
    if (followed) { for (const listener of this.#listeners) listener(); }
  }

  #apply({ kind, name, item }: Change): boolean {
    switch (kind) {
      case "role":
        this.#applyRole(name, item as Item<RoleItem> | undefined);
        return true;
      case "bot":
        keep(this.#bots, name, item?.value as BotItem | undefined);
        return true;
      case "lock":
        keep(this.#locks, name, item as Item<LockItem> | undefined);
        return true;
      case "agent":
        return this.#applyAgent(name, item as Item<AgentItem> | undefined);
      case "approval":
        keep(this.#approvals, name, item?.value as ApprovalItem | undefined);
        return true;
      case "ca":
        if (name !== "keys" || item === undefined) return false;
        this.#keys = item.value as ClusterKeys;
        return true;
      case "app":
        keep(this.#resources, name, item?.value as AppItem | undefined);
        return true;
      default:
        return false;
    }
  }

  /** Whether there is more to it than that the agent is still there. */
  #applyAgent(host: string, item: Item<AgentItem> | undefined): boolean {
    const before = this.#agents.get(host);
    keep(this.#agents, host, item);
    return JSON.stringify(before?.value) !== JSON.stringify(item?.value);
  }

  #applyRole(name: string, item: Item<RoleItem> | undefined): void {
    this.#roles.delete(name);
    if (!item) return;
    try {
      this.#roles.set(name, parseRole(item.value.source, item.value.file));
    } catch (error) {
      // A role that this version cannot read grants nothing: whoever holds it is refused.
      this.#options.log.error("Cannot read a stored role", { role: name, error: String(error) });
    }
  }
}

function keep<T>(map: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) map.delete(name);
  else map.set(name, value);
}
