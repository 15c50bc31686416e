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
import type { HostStreams } from "./hosts/host_streams.ts";
import type { Journal } from "./stream/journal.ts";
import type { LiveView } from "./live_view.ts";

export interface Cluster {
  readonly name: string;
  readonly store: Store;
  /** As of now: a rotation of the CAs changes them. */
  readonly keys: ClusterKeys;
  /** Follows the store without delay. */
  readonly view: LiveView;
  /** The same in the order of commits, for those who follow from elsewhere. */
  readonly journal: Journal;
  /** Change streams of hosts, and what is asked of agents by them. */
  readonly hosts: HostStreams;
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
  /** A host, by its id. */
  readonly host?: string;
}

/** `lock/<name>`; a lock without `expires` on its item holds until it is removed. */
export interface LockItem {
  readonly target: LockTarget;
  readonly message: string;
  readonly created: string;
}

/** `agent/<host id>`: what an agent serves. One that is apart has to say so again before it expires. */
export interface AgentItem {
  readonly apps: readonly App[];
  /** Names that it would serve and may not. */
  readonly refused?: readonly string[];
}

/** What a host that joins may be: it serves apps, or it is a public port of the cluster. */
export type JoinedRole = "agent" | "relay";

/** `host_token/<sha256 of the token in hex>`: good for any number of hosts until it expires. */
export interface HostTokenItem {
  readonly roles: readonly JoinedRole[];
  /** RFC 3339. */
  readonly expires: string;
  /** Names, `*` for any run of characters, of the apps that its agents may serve. */
  readonly apps?: readonly string[];
}

/** `host/<id>`: a host that has joined. */
export interface HostItem {
  readonly role: JoinedRole;
  /** What the machine calls itself; for people alone. */
  readonly name: string;
  /** SPKI PEM of the key that the newest certificate was issued for. */
  readonly publicKey: string;
  /** The one before: of a host that never got the answer. */
  readonly previousKey?: string;
  /** From its token; without them, names that nobody else has. */
  readonly apps?: readonly string[];
  /** The id of the token. */
  readonly token: string;
  readonly joined: string;
  readonly renewed: string;
}

/** `app_pin/<name>`: the one host that serves the app, of those whose token names none. */
export interface AppPinItem {
  readonly host: string;
}

/** `relay/<host id>`: a public port, until it expires. */
export interface RelayItem {
  /** `host:port`, as agents can dial it. */
  readonly addresses: readonly string[];
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
