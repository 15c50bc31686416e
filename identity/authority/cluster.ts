/**
 * What every part of the authority works with: the cluster's name, keys, state, time and audit.
 * The item shapes below are what the store holds, one interface for each kind.
 */
import type { App } from "../app.ts";
import type { AuditLog } from "../audit/audit_log.ts";
import type { Clock } from "../clock.ts";
import type { IdTokenMethod, IssuerKeys, TokenRules } from "../join/mod.ts";
import type { Log } from "../log.ts";
import type { Store } from "../storage/store.ts";
import type { HeartbeatRequest } from "./api.ts";
import type { ClusterKeys } from "./cluster_keys.ts";
import type { LiveView } from "./live_view.ts";

export interface Cluster {
  readonly name: string;
  readonly store: Store;
  readonly keys: ClusterKeys;
  /** Follows the store without delay. */
  readonly view: LiveView;
  readonly audit: AuditLog;
  /** Of those whose tokens bots join with. */
  readonly issuers: IssuerKeys;
  readonly clock: Clock;
  readonly log: Log;
}

/** `role/<name>`: the document as its author wrote it, so that decisions can name its lines. */
export interface RoleItem {
  readonly source: string;
  readonly file: string;
}

/** `bot/<name>`. */
export interface BotItem {
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** Seconds. */
  readonly maxSessionTtl?: number;
}

/** `token/<sha256 of the token in hex>`: the token itself is never stored. */
export interface TokenItem {
  readonly bot: string;
  /** RFC 3339; the item outlives it, so that a late joiner hears why. */
  readonly expires: string;
  /** The join that spent the token: the same key gets the same answer again. */
  readonly used?: { readonly key: string; readonly instance: string };
}

/** `method_token/<name>`: no secret, since whoever joins with it proves who it is. */
export interface MethodTokenItem {
  readonly bot: string;
  readonly method: IdTokenMethod;
  /** The section of the method as its author wrote it. */
  readonly section: unknown;
  readonly rules: TokenRules;
}

/** `used_id_token/<sha256 in hex of what the token signs>`, until the token has expired. */
export interface UsedIdTokenItem {
  readonly key: string;
  readonly instance: string;
}

/** `instance/<bot>/<instance>`. */
export interface InstanceItem {
  readonly bot: string;
  readonly instance: string;
  readonly generation: number;
  /** Fingerprint of the public key that the current generation was issued for. */
  readonly key: string;
  readonly joined: string;
  readonly renewed: string;
  /** The epoch of the store in which a generation above the stored one was taken. */
  readonly adopted?: string;
  /** How it has to prove itself each time; one that joined by a secret renews. */
  readonly method?: IdTokenMethod;
}

/** `heartbeat/<bot>/<instance>`: what the machine last said of itself. */
export interface HeartbeatItem extends HeartbeatRequest {
  readonly seen: string;
}

/** One of these. */
export interface LockTarget {
  readonly bot?: string;
  readonly instance?: string;
  readonly role?: string;
  readonly app?: string;
}

/** `lock/<name>`; a lock without `expires` on its item holds until it is removed. */
export interface LockItem {
  readonly target: LockTarget;
  readonly message: string;
  readonly created: string;
}

/** `agent/<host id>`: what an agent serves. */
export interface AgentItem {
  readonly apps: readonly App[];
}

/** `approval/<app>/<sha256>/<tool>`: a definition of a tool that somebody has looked at. */
export interface ApprovalItem {
  readonly app: string;
  readonly tool: string;
  /** The digest of the definition, 64 hex digits. */
  readonly sha256: string;
  /** RFC 3339. */
  readonly created: string;
}

/** `app/<name>`: an app resource, which agents whose selectors match take up. */
export type AppItem = App;
