/**
 * What travels between the authority and its callers: plain data, one interface for each body.
 * `Calls` says which belong together; `endpoints.ts` gives each its schema, which the compiler holds
 * against these. The client trusts the shapes because it has verified who it speaks to.
 */
import type { ToolPatterns } from "../../policy/mod.ts";
import type { App } from "../app.ts";
import type { AppTokenRequest } from "../app_token.ts";
import type { Head, SignedHead } from "../audit/chain.ts";
import type { IdTokenMethod } from "../join/mod.ts";
import type { Principal } from "../x509/claims.ts";

/** What each call of the public API (`routes.ts`) takes and answers. */
export interface Calls {
  readonly find: Call<undefined, ClusterInfo>;
  readonly jwks: Call<undefined, Jwks>;
  readonly openidConfiguration: Call<undefined, OpenidConfiguration>;
  readonly trust: Call<undefined, TrustBundle>;
  readonly join: Call<JoinRequest, IssuedCertificates>;
  readonly challenge: Call<ChallengeRequest, JoinChallenge>;
  readonly renew: Call<RenewRequest, IssuedCertificates>;
  readonly issueIdentity: Call<IdentityRequest, IssuedCertificates>;
  readonly heartbeat: Call<HeartbeatRequest, Record<never, never>>;
  readonly openSession: Call<SessionRequest, SessionGrant>;
  readonly apps: Call<undefined, AppList>;
  readonly hostJoin: Call<HostJoinRequest, IssuedHost>;
  readonly hostRenew: Call<HostRenewRequest, IssuedHost>;
  readonly presentApps: Call<PresentAppsRequest, PresentedApps>;
  readonly presentRelay: Call<PresentRelayRequest, PresentedRelay>;
  readonly appToken: Call<AppTokenAsked, AppTokenAnswer>;
  readonly answerQuestion: Call<AnswerRequest, Record<never, never>>;
  readonly auditHead: Call<undefined, Head>;
  readonly shipAudit: Call<ShipRequest, SignedHead>;
}

interface Call<Request, Answer> {
  readonly request: Request;
  readonly answer: Answer;
}

/** `GET /.well-known/jwks.json`, open to anyone: RFC 7517, public keys alone. */
export interface Jwks {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

/** `GET /.well-known/openid-configuration`, open to anyone. */
export type OpenidConfiguration = Readonly<Record<string, unknown>>;

/** `GET /v1/webapi/find`, open to anyone. The field names are the original's. */
export interface ClusterInfo {
  readonly server_version: string;
  readonly cluster_name: string;
}

/** `GET /postern/v1/trust`, open to anyone: what a pin is checked against. */
export interface TrustBundle {
  readonly cluster: string;
  /** X.509 certificates of the host CA, PEM; they sign agents, relays and the authority. */
  readonly hostCas: readonly string[];
  /** X.509 certificates of the user CA, PEM; they sign bots and sessions. */
  readonly userCas: readonly string[];
  /** Public keys of the SSH host CA, `<type> <base64>`. */
  readonly sshHostCas: readonly string[];
  /** Public keys of the SSH user CA, `<type> <base64>`. */
  readonly sshUserCas: readonly string[];
}

/** `POST /postern/v1/join`, open to anyone who has what the method asks for. */
export type JoinRequest = SecretJoin | IdTokenJoin | KeypairJoin;

/** By a token that is a secret and good for one machine. */
export interface SecretJoin {
  readonly method: "token";
  readonly token: string;
  /** The SPKI PEM of the bot's new key. The same key with the same token answers again. */
  readonly publicKey: string;
  /** Seconds. */
  readonly ttl: number;
}

/**
 * By an OIDC token. With the certificate of an earlier join as the client certificate, the instance
 * stays what it was.
 */
export interface IdTokenJoin {
  readonly method: IdTokenMethod;
  /** The name of the join token, which is no secret. */
  readonly token: string;
  readonly idToken: string;
  readonly publicKey: string;
  /** Seconds. */
  readonly ttl: number;
}

/** `POST /postern/v1/join/challenge`, open to anyone: what a join by a bound keypair signs. */
export interface ChallengeRequest {
  readonly method: "bound_keypair";
  /** The name of the join token. */
  readonly token: string;
}

export interface JoinChallenge {
  readonly cluster: string;
  /** Good for one join within a minute. */
  readonly challenge: string;
}

/**
 * By a key that is bound to the join token. As with OIDC tokens, a certificate of before keeps the
 * instance.
 */
export interface KeypairJoin {
  readonly method: "bound_keypair";
  /** The name of the join token. */
  readonly token: string;
  /** The SPKI PEM that the certificate is for. The same key answers a lost reply again. */
  readonly publicKey: string;
  /** Seconds. */
  readonly ttl: number;
  readonly challenge: string;
  /** SPKI PEM, Ed25519 or P-256. */
  readonly boundKey: string;
  /** A JWS by the bound key (`keypair_proof.ts`). */
  readonly proof: string;
  /** To bind the key with, as long as none is. */
  readonly secret?: string;
  /** From the last join. */
  readonly state?: string;
  /** The key to bind from now on, and its own proof. */
  readonly next?: { readonly boundKey: string; readonly proof: string };
}

/** `POST /postern/v1/renew`, as a bot. */
export interface RenewRequest {
  readonly publicKey: string;
  /** Seconds. */
  readonly ttl: number;
}

/** `POST /postern/v1/identities`, as a bot: the certificates of one output. */
export interface IdentityRequest {
  readonly publicKey: string;
  /** Seconds. */
  readonly ttl: number;
  readonly reissue: boolean;
  /** A subset of the bot's roles; all of them when absent. */
  readonly roles?: readonly string[];
  /** The one app that it is good for; every app of its roles when absent. */
  readonly app?: string;
}

/** What join, renew and identities answer. */
export interface IssuedCertificates {
  /** X.509 certificate, PEM. */
  readonly tls: string;
  /** OpenSSH certificate on one line. */
  readonly ssh: string;
  readonly trust: TrustBundle;
  /** Of a join by a bound keypair. */
  readonly keypair?: {
    /** To be shown at the next join; nobody else needs to read it. */
    readonly state: string;
    /** The SPKI PEM that is bound now. */
    readonly boundKey: string;
    /** How many times it may still recover without a certificate; any number of times without it. */
    readonly recoveriesLeft?: number;
  };
}

/** `POST /postern/v1/heartbeats`, as a bot: how its machine fares. */
export interface HeartbeatRequest {
  readonly version: string;
  readonly hostname: string;
  /** RFC 3339, by the machine's own clock. */
  readonly started: string;
  readonly oneshot: boolean;
  /** Seconds after which the next one is due at the latest. */
  readonly interval: number;
  readonly services: readonly ServiceHealth[];
  /** What went wrong last, also when it is right again. */
  readonly last_error?: {
    readonly service: string;
    readonly reason: string;
    readonly at: string;
  };
}

export interface ServiceHealth {
  readonly name: string;
  readonly type: string;
  readonly status: "initializing" | "healthy" | "unhealthy";
  readonly reason?: string;
}

/** `POST /postern/v1/sessions`, as an identity that may be reissued. */
export interface SessionRequest {
  readonly app: string;
  /** The SPKI PEM of a key made for this session alone. */
  readonly publicKey: string;
  /** The SPIFFE ID of the agent that has the session which is to go on, if it still serves the app. */
  readonly agent?: string;
}

/** A session certificate, and the way to the agent that will accept it. */
export interface SessionGrant {
  readonly session: string;
  /** X.509 certificate, PEM. */
  readonly certificate: string;
  /** The route ticket: the server name (SNI) to send to the relay, once. */
  readonly servername: string;
  /** The SPIFFE ID that the agent's certificate must carry. */
  readonly agent: string;
  readonly hostCas: readonly string[];
}

/** `GET /postern/v1/apps`, as an identity: the apps that its roles reach. */
export interface AppList {
  readonly principal: Principal;
  readonly apps: readonly ListedApp[];
}

export interface ListedApp {
  readonly name: string;
  readonly description: string;
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Which of its tools the identity may call. */
  readonly tools: ToolPatterns;
  /** What each role says about them by itself; an authority of before does not tell. */
  readonly byRole?: readonly RoleTools[];
}

/** What one role says about an app's tools. */
export interface RoleTools extends ToolPatterns {
  readonly role: string;
}

/** `POST /postern/v1/hosts/join`, open to anyone who has a token for hosts. */
export interface HostJoinRequest {
  readonly token: string;
  readonly role: "agent" | "relay";
  /** The SPKI PEM of the host's new key. */
  readonly publicKey: string;
  /** What the machine calls itself. */
  readonly name: string;
  /** Of a host that has joined before and stays what it was: its id, and what its old key signs. */
  readonly before?: { readonly host: string; readonly signature: string };
}

/** `POST /postern/v1/hosts/renew`, as a host. */
export interface HostRenewRequest {
  readonly publicKey: string;
}

/** What both answer. */
export interface IssuedHost {
  /** 32 hex digits. */
  readonly host: string;
  /** X.509 certificate, PEM. */
  readonly certificate: string;
  readonly trust: TrustBundle;
}

/** `POST /postern/v1/hosts/apps`, as an agent; to be said again before it expires. */
export interface PresentAppsRequest {
  readonly apps: readonly App[];
}

export interface PresentedApps {
  /** Apps that this host may not serve, and why. */
  readonly refused: readonly { readonly app: string; readonly because: string }[];
  /** Milliseconds for which it is believed. */
  readonly lease: number;
}

/** `POST /postern/v1/hosts/relay`, as a relay. */
export interface PresentRelayRequest {
  /** `host:port`, as agents can dial it. */
  readonly addresses: readonly string[];
}

export interface PresentedRelay {
  /** Milliseconds for which it is believed. */
  readonly lease: number;
}

/** `POST /postern/v1/hosts/answers`, as the agent that was asked. */
export interface AnswerRequest {
  readonly id: string;
  readonly answer: unknown;
}

export interface AppTokenAnswer {
  readonly token: string;
  /** RFC 3339. */
  readonly expires: string;
}

/** `POST /postern/v1/hosts/audit`, as an agent: records of its own chain, which follow each other. */
export interface ShipRequest {
  readonly records: readonly { readonly seq: number; readonly text: string }[];
  readonly head: { readonly writer: string; readonly seq: number; readonly hash: string };
  readonly durable: boolean;
}

/** `POST /postern/v1/hosts/app-token`, as the agent that serves the app. */
export type AppTokenAsked = Omit<AppTokenRequest, "notAfter"> & {
  /** RFC 3339. */
  readonly notAfter: string;
};

/** The body of every refusal; the HTTP status follows from the code. */
export interface ApiFailure {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}
