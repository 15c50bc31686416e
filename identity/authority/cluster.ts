/**
 * What every part of the authority works with: the cluster's name, keys, state, time and audit.
 * The item shapes below are what the store holds, one interface for each kind.
 */
import type { App } from "../app.ts";
import type { AuditLog } from "../audit/audit_log.ts";
import type { Clock } from "../clock.ts";
import type { IdTokenMethod, IssuerKeys, KeypairRules, TokenRules } from "../join/mod.ts";
import type { Log } from "../log.ts";
import type { Store } from "../storage/store.ts";
import type { HeartbeatRequest } from "./api.ts";
import type { ClusterKeys } from "./cluster_keys.ts";
import type { LiveView } from "./live_view.ts";

export interface Cluster {
  readonly name: string;
  readonly store: Store;
  /** As of now: a rotation of the CAs changes them. */
  readonly keys: ClusterKeys;
  /** Follows the store without delay. */
  readonly view: LiveView;
  readonly audit: AuditLog;
  /** Of those whose tokens bots join with. */
  readonly issuers: IssuerKeys;
  readonly clock: Clock;
  readonly log: Log;
  /** Who administers, while that is somebody from afar. */
  readonly actor?: Actor;
}

export interface Actor {
  readonly user: string;
  readonly instance: string;
  /** Where the call came from. */
  readonly remote: string;
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
export type MethodTokenItem = IdTokenItem | KeypairTokenItem;

export interface IdTokenItem {
  readonly bot: string;
  readonly method: IdTokenMethod;
  /** The section of the method as its author wrote it. */
  readonly section: unknown;
  readonly rules: TokenRules;
}

export interface KeypairTokenItem {
  readonly bot: string;
  readonly method: "bound_keypair";
  readonly rules: KeypairRules;
}

/**
 * `bound_keypair/<token>`: what has become of such a token. Apart from it, so that joins change no
 * revision that an administrator edits.
 */
export interface KeypairItem {
  /** Anew for each token: the join state of one that was removed is nothing to a later one. */
  readonly uid: string;
  /** To register with, until somebody has. */
  readonly secret?: string;
  /** The epoch of the store that the secret was made in: a restored store takes none. */
  readonly secretEpoch?: string;
  /** SHA-256 in hex of the secret that somebody has registered with. */
  readonly spentSecret?: string;
  /** SPKI PEM. */
  readonly boundKey?: string;
  /** The bound key of before the last rotation. */
  readonly previousKey?: string;
  /** The key of the rules that was bound last: another one there is bound in its place. */
  readonly initialKey?: string;
  /** When the key was made, as far as the cluster knows. */
  readonly keyedAt?: string;
  readonly rotatedAt?: string;
  readonly recoveries: number;
  readonly recoveredAt?: string;
  /** Joins in all; each one's join state says which it was. */
  readonly sequence: number;
  /** The id of the last join's join state: after a restore another may have had its number. */
  readonly state?: string;
  /** The id of the join state that the last join showed. */
  readonly seen?: string;
  /** Fingerprint of the key that the last join's certificate was issued for. */
  readonly certificateKey?: string;
  /** The one that joined last. */
  readonly instance?: string;
  /** The epoch of the store in which a join state above the stored one was taken. */
  readonly adopted?: string;
  /** Challenges that joins have used, until their time is over: RFC 3339 by id. */
  readonly challenges?: Readonly<Record<string, string>>;
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
  readonly method?: IdTokenMethod | "bound_keypair";
  /** The join token that it proves itself for. */
  readonly token?: string;
  /** The instance that its machine was before it had to recover. */
  readonly previous?: string;
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
  /** Nobody joins by it, and the instances that did are out. */
  readonly token?: { readonly name: string; readonly instances: readonly string[] };
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
