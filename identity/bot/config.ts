/** What tbot is told to do, with every default filled in and every lifetime in milliseconds. */
import type { HostPort } from "../config/fields.ts";
import type { IdTokenMethod } from "../join/methods.ts";
import type { DestinationSpec } from "../destination/destination.ts";

export interface BotConfig {
  /** `host:port` of the cluster. */
  readonly proxyServer: string;
  readonly trust: BotTrust;
  /** How to join; absent when the stored identity must do. */
  readonly onboarding: Onboarding | undefined;
  readonly storage: DestinationSpec;
  /** How long the bot's own certificate lasts. */
  readonly credentialTtl: number;
  readonly renewalInterval: number;
  readonly oneshot: boolean;
  readonly debug: boolean;
  /** Where health and metrics are served; nowhere without it. */
  readonly diagnostics: HostPort | undefined;
  readonly services: readonly BotService[];
}

/** How the first connection knows the authority; later ones go by the stored CAs. */
export type BotTrust =
  | { readonly kind: "pins"; readonly pins: readonly string[] }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "system" }
  | { readonly kind: "insecure" };

export type Onboarding = SecretOnboarding | IdTokenOnboarding | KeypairOnboarding;

/** By a secret, once; from then on the identity renews itself. */
export interface SecretOnboarding {
  readonly joinMethod: "token";
  /** The token itself, or the absolute path of a file that holds it. */
  readonly token: string;
}

/** By a proof of where tbot runs, each time anew. */
export interface IdTokenOnboarding {
  readonly joinMethod: IdTokenMethod;
  /** The name of the join token. */
  readonly token: string;
  /** gitlab, generic_oidc: the variable that holds the proof. */
  readonly variable?: string;
  /** kubernetes: the file that holds it. */
  readonly path?: string;
  /** generic_oidc: the program and its arguments that print it. */
  readonly command?: readonly string[];
}

/** By a key that the join token is bound to, each time anew. */
export interface KeypairOnboarding {
  readonly joinMethod: "bound_keypair";
  /** The name of the join token. */
  readonly token: string;
  /** To register the key with. */
  readonly secret?: Given;
  /** A key that is not tbot's to replace; one in the storage without it. */
  readonly staticKey?: Given;
}

/** A secret: its text and where that comes from, or the file that it is in. */
export type Given =
  | { readonly text: string; readonly from: string }
  | { readonly path: string };

export type BotService = OutputService | TunnelService;

/** A service that writes files. */
export type OutputService = IdentityService | ApplicationService;

interface Service {
  readonly name: string;
  /** A subset of the bot's roles; all when absent. */
  readonly roles: readonly string[] | undefined;
  readonly credentialTtl: number;
  readonly renewalInterval: number;
}

/** One `identity` service: an identity file and its companions in one destination. */
export interface IdentityService extends Service {
  readonly type: "identity";
  readonly destination: DestinationSpec;
  /** The cluster that the identity must be for; any when absent. */
  readonly cluster: string | undefined;
  readonly allowReissue: boolean;
}

/** Certificate and key that reach one app and no other. */
export interface ApplicationService extends Service {
  readonly type: "application";
  readonly destination: DestinationSpec;
  readonly app: string;
  /** Whether certificate, key and CAs are written as `tls.crt`, `tls.key` and `tls.cas` as well. */
  readonly specificTlsNaming: boolean;
}

/** A listener on this machine, for MCP clients that speak HTTP. */
export interface TunnelService extends Service {
  readonly type: "application-tunnel";
  readonly app: string;
  readonly listen: HostPort;
  /** Names, beside loopback's, under which a request may ask for it. */
  readonly allowedHosts: readonly string[];
}

export const DEFAULT_CREDENTIAL_TTL = 3_600_000;
export const DEFAULT_RENEWAL_INTERVAL = 20 * 60_000;
export const DEFAULT_STORAGE = "/var/lib/teleport/bot";

/** Longer certificates of a bot are not issued. */
export const MAX_CREDENTIAL_TTL = 24 * 3_600_000;
