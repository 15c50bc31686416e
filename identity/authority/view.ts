import type { Approved, Role } from "../../policy/mod.ts";
import type { App } from "../app.ts";

/**
 * The live copy of what an agent decides by. It is synchronous: whoever fills it (the store in the
 * same process, a change stream over the network) has done the waiting.
 */
export interface ClusterView {
  readonly cluster: string;
  /** X.509 certificates, PEM, that sign sessions, or did and are still trusted. */
  userCas(): readonly string[];
  app(name: string): App | undefined;
  role(name: string): Role | undefined;
  /** Definitions of an app's tools that are approved; `undefined` for none. */
  approved(app: string): Approved | undefined;
  standing(bot: string, instance: string): Standing;
  /** Why nobody with these roles may use the app now, whatever they allow. */
  locked(roles: readonly string[], app: string): Locked | undefined;
  /** Whether this may still be believed. */
  news(): News;
  /** Calls `listener` after anything above has changed; returns how to stop that. */
  subscribe(listener: () => void): () => void;
}

/**
 * How old what is known may be: `stale` is too old for new sessions, and for open ones whose roles
 * say `lock: strict`; `lost` for all.
 */
export type News = "fresh" | "stale" | "lost";

/** A lock on something that many use. */
export interface Locked {
  /** What is locked: `role "x"` or `app "y"`. */
  readonly what: string;
  readonly message: string;
}

/** Whether a bot instance may act now, and with which roles at the most. */
export type Standing =
  | {
    readonly kind: "live";
    readonly roles: readonly string[];
    readonly traits: Readonly<Record<string, readonly string[]>>;
  }
  | { readonly kind: "locked"; readonly message: string }
  | { readonly kind: "gone" };
