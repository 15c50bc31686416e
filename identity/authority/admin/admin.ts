/**
 * What an administrator can do to a cluster. Requests and answers are plain JSON, so that the same
 * interface serves the process that holds the store and a caller at its Unix socket.
 */
import type { ListedTool } from "../../app.ts";
import type { SignedHead } from "../../audit/chain.ts";
import type { AuditEvent } from "../../audit/event.ts";
import type { IdTokenMethod } from "../../join/mod.ts";
import type { TrustBundle } from "../api.ts";
import type { CaType } from "../ca_rotation.ts";
import type { HeartbeatItem, JoinedRole } from "../cluster.ts";
import type { RotateRequest, RotationStatus } from "../rotate_ca.ts";

export type { RotateRequest, RotationStatus };

/** Every method throws `IdentityError`. */
export interface Admin {
  status(request: Record<never, never>): Promise<ClusterStatus>;
  /** The CAs, as anybody may have them. */
  trust(request: Record<never, never>): Promise<TrustBundle>;
  /** Takes a CA to a phase of its rotation. */
  rotateCa(request: RotateRequest): Promise<RotationStatus>;
  /** All documents of a text, or none when one of them cannot be used. */
  createResources(request: CreateRequest): Promise<ResourceChange[]>;
  getResources(request: GetRequest): Promise<Resource[]>;
  removeResource(request: ResourceRef): Promise<ResourceRef>;
  addBot(request: AddBotRequest): Promise<NewBot>;
  listBots(request: Record<never, never>): Promise<BotSummary[]>;
  updateBot(request: UpdateBotRequest): Promise<BotUpdate>;
  removeBot(request: BotRef): Promise<BotRef>;
  listInstances(request: { readonly bot?: string }): Promise<InstanceSummary[]>;
  addToken(request: AddTokenRequest): Promise<NewToken>;
  /** For agents and relays that are to join. */
  addHostToken(request: AddHostTokenRequest): Promise<NewHostToken>;
  listTokens(request: Record<never, never>): Promise<TokenSummary[]>;
  removeToken(request: TokenRef): Promise<TokenSummary>;
  addLock(request: AddLockRequest): Promise<LockSummary>;
  /** Sessions that are open at the agent of this process and at those that follow it. */
  listSessions(request: Record<never, never>): Promise<SessionSummary[]>;
  /** A copy of the whole state in a file of this host: for callers on the host alone. */
  backup(request: BackupRequest): Promise<BackupSummary>;
  /** The newest events, oldest first. */
  auditEvents(request: { readonly limit: number }): Promise<AuditEvent[]>;
  /** Records as they were written, after a place in the order of arrival; oldest first. */
  auditRecords(request: { readonly after: number; readonly limit: number }): Promise<AuditPage>;
  /** What `policy` commands want to know of a cluster. */
  policyWorld(request: Record<never, never>): Promise<PolicyWorld>;
  /** What the server of an app offers to anybody, asked now. */
  appTools(request: { readonly app: string }): Promise<AppTools>;
  /** Lets a definition meet the pins of roles. */
  approveTool(request: ApproveRequest): Promise<Approval>;
  /** Takes back every approval of a tool, or that of one definition. */
  revokeTool(request: ApproveRequest): Promise<Approval[]>;
  listApprovals(request: Record<never, never>): Promise<Approval[]>;
  /** The events of one decision and of its session's start; none when the id is unknown. */
  decisionEvents(request: { readonly id: string }): Promise<AuditEvent[]>;
}

export interface AuditPage {
  readonly records: readonly { readonly seq: number; readonly text: string }[];
  /** The place of the newest record of all; 0 when there is none. */
  readonly newest: number;
  /** The newest heads that the authority has signed, as of these records or later. */
  readonly heads: readonly SignedHead[];
  /** The key that they are verified with, PEM. */
  readonly publicKey: string;
}

/** A tool of an app with one definition, as `appTools` shows it. */
export interface ToolRef {
  readonly app: string;
  readonly tool: string;
}

export interface ApproveRequest extends ToolRef {
  /** The digest of the definition; what the server offers now without it. */
  readonly sha256?: string;
}

export interface Approval extends ToolRef {
  readonly sha256: string;
  readonly created: string;
}

export interface AppTools {
  /** Absent when nobody could tell. */
  readonly tools?: readonly ListedTool[];
  /** Why there are none. */
  readonly problem?: string;
}

export interface PolicyWorld {
  /** Roles as they were written. */
  readonly roles: readonly { readonly file: string; readonly text: string }[];
  readonly bots: readonly Pick<BotSummary, "name" | "roles" | "traits">[];
  /** Apps that some agent serves. */
  readonly apps: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  }[];
}

/** The kinds of resource that an administrator reads and writes. */
export const RESOURCE_KINDS = [
  "role",
  "bot",
  "token",
  "app",
  "lock",
  "bot_instance",
  "host",
] as const;
export type ResourceKind = typeof RESOURCE_KINDS[number];

export interface ClusterStatus {
  readonly cluster: string;
  readonly version: string;
  readonly cas: readonly CaStatus[];
  /** `sha256:<hex>`, for tbot's `--ca-pin`. */
  readonly caPins: readonly string[];
  /** `host:port` that clients use, once an authority has run. */
  readonly publicAddress?: string;
}

export interface CaStatus {
  readonly kind: CaType;
  readonly expires: string;
  readonly rotation: RotationStatus;
}

export interface CreateRequest {
  readonly text: string;
  /** The name of the text in messages. */
  readonly file: string;
  /** Overwrite what exists. */
  readonly force: boolean;
  /** Only if each resource is still at the revision that its document has. */
  readonly revisions?: boolean;
}

export interface ResourceRef {
  readonly kind: ResourceKind;
  readonly name: string;
}

export interface ResourceChange extends ResourceRef {
  readonly change: "created" | "updated";
}

export interface GetRequest {
  /** Without a name: all of the kind. */
  readonly refs: readonly { readonly kind: ResourceKind; readonly name?: string }[];
  /** With what has to stay secret, as far as the cluster keeps it. */
  readonly secrets?: boolean;
}

/** A resource in the shape of its document. */
export interface Resource {
  readonly kind: string;
  readonly sub_kind?: string;
  readonly version: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface BotRef {
  readonly name: string;
}

export interface AddBotRequest extends BotRef {
  readonly roles: readonly string[];
  readonly traits?: Readonly<Record<string, readonly string[]>>;
  /** Seconds that the token is good for. */
  readonly ttl?: number;
  /** A token that exists already and is for this bot; a new one is made without it. */
  readonly token?: string;
  /** Seconds. */
  readonly maxSessionTtl?: number;
}

export interface NewToken {
  readonly bot: string;
  /** The secret itself, which is never shown again. */
  readonly token: string;
  readonly expires: string;
  /** Seconds. */
  readonly ttl: number;
}

/** Its token was made now, or before, by any method. */
export interface NewBot extends Omit<NewToken, "expires" | "ttl"> {
  readonly method: JoinMethod;
  /** Absent if the token does not end. */
  readonly expires?: string;
  readonly ttl?: number;
  readonly roles: readonly string[];
  readonly caPins: readonly string[];
  readonly publicAddress?: string;
}

export interface BotSummary extends BotRef {
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  readonly maxSessionTtl?: number;
  readonly locked: boolean;
}

export interface UpdateBotRequest extends BotRef {
  readonly setRoles?: readonly string[];
  readonly addRoles?: readonly string[];
  readonly setLogins?: readonly string[];
  readonly addLogins?: readonly string[];
  /** Seconds. */
  readonly setMaxSessionTtl?: number;
}

export interface BotUpdate {
  /** Whether anything is different now. */
  readonly changed: boolean;
  readonly bot: BotSummary;
}

export interface InstanceSummary {
  readonly bot: string;
  readonly instance: string;
  readonly generation: number;
  readonly joined: string;
  readonly renewed: string;
  readonly locked: boolean;
  /** What its machine said of itself; older ones, and scripts, say nothing. */
  readonly heartbeat?: HeartbeatItem;
  /** `silent` once it should have been heard of again. */
  readonly health?: "healthy" | "unhealthy" | "silent" | "ended";
  /** How it joined. */
  readonly method: JoinMethod;
  /** The join token that it proves itself for. */
  readonly token?: string;
}

/** `token` is the secret that is good for one machine. */
export type JoinMethod = "token" | "bound_keypair" | IdTokenMethod;

export interface AddTokenRequest {
  readonly bot: string;
  /** Seconds. */
  readonly ttl?: number;
  /** The secret; a random one without it. */
  readonly value?: string;
}

export interface AddHostTokenRequest {
  readonly roles: readonly JoinedRole[];
  /** Names, `*` for any run of characters, of the apps that its agents may serve. */
  readonly apps?: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  /** The secret; a random one without it. */
  readonly value?: string;
}

export interface NewHostToken {
  readonly roles: readonly JoinedRole[];
  readonly apps?: readonly string[];
  /** The secret itself, which is never shown again. */
  readonly token: string;
  readonly expires: string;
  /** Seconds. */
  readonly ttl: number;
  readonly caPins: readonly string[];
  readonly publicAddress?: string;
}

export interface TokenRef {
  /** The token itself, or its id, or enough of the id's first digits. */
  readonly token: string;
}

export interface TokenSummary {
  /** The SHA-256 of a secret one, hex, since the token itself is not stored; otherwise its name. */
  readonly id: string;
  /** Who joins with it: the bot, or hosts in one of the roles. */
  readonly bot?: string;
  readonly roles?: readonly JoinedRole[];
  readonly method: JoinMethod;
  readonly expires?: string;
  /** `usable`: any number of times, by whoever proves to be allowed. */
  readonly state: "unused" | "used" | "expired" | "usable";
}

/** Exactly one target. */
export interface AddLockRequest {
  readonly bot?: string;
  readonly instance?: string;
  /** Whoever holds it. */
  readonly role?: string;
  /** Everybody who uses it. */
  readonly app?: string;
  /** Whoever joins, or has joined, by it. */
  readonly joinToken?: string;
  /** An agent or a relay, by its id. */
  readonly host?: string;
  /** Seconds; without it the lock holds until it is removed. */
  readonly ttl?: number;
  readonly message?: string;
}

export interface LockSummary {
  readonly name: string;
  readonly expires?: string;
  /** The receipt: sessions that the lock has ended. */
  readonly ended: readonly EndedSession[];
  /** Agents elsewhere that have not said in time what has become of their sessions. */
  readonly silent?: readonly string[];
}

export interface EndedSession {
  readonly session: string;
  readonly bot: string;
  readonly instance: string;
  readonly app: string;
  /** The host id of the agent, where that is not in the authority's process. */
  readonly host?: string;
  /** From the lock until nothing of the session was left; absent while its server still ends. */
  readonly milliseconds?: number;
}

export interface BackupRequest {
  /** A full path. */
  readonly file: string;
  /** Replaces a file that is there. */
  readonly force: boolean;
}

export interface BackupSummary {
  readonly file: string;
  readonly bytes: number;
}

export interface SessionSummary {
  readonly session: string;
  readonly bot: string;
  readonly instance: string;
  readonly app: string;
  readonly address: string;
  readonly started: string;
  /** The host id of the agent, where that is not in the authority's process. */
  readonly host?: string;
}
