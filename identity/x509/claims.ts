/**
 * What a certificate says about its holder beyond its SPIFFE ID. It travels in one private
 * extension (`docs/ARCHITECTURE.md`, *Certificates*): role names, never role contents.
 */
export type Claims = BotClaims | IdentityClaims | SessionClaims | HostClaims;

/** tbot's own certificate: it renews itself and asks for outputs, and reaches no app. */
export interface BotClaims {
  readonly kind: "bot";
  readonly bot: string;
  /** One installation of the bot: 32 hex digits, kept across renewals. */
  readonly instance: string;
  /** 1 at join, one more at each renewal. */
  readonly generation: number;
}

/** What a principal may be judged by. */
export interface Principal {
  readonly bot: string;
  readonly instance: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
}

/** The certificate in an identity file. */
export interface IdentityClaims extends Principal {
  readonly kind: "identity";
  /** Whether session certificates may be derived from it (`allow_reissue`). */
  readonly reissue: boolean;
  /** The one app that sessions may be for, in the certificate of an `application`. */
  readonly app?: string;
}

/** A certificate for one app and one session; refused at every endpoint of the authority. */
export interface SessionClaims extends Principal {
  readonly kind: "session";
  readonly app: string;
  /** The session's id, a UUID; also the audit log's `sid`. */
  readonly session: string;
  /** The id of the route ticket that was issued with it; the agent accepts it once. */
  readonly ticket: string;
}

/** A joined host's certificate, signed by the host CA. */
export interface HostClaims {
  readonly kind: "host";
  readonly role: "authority" | "relay" | "agent";
  /** 32 hex digits. */
  readonly host: string;
}

/** The SPIFFE ID that belongs to claims, `spiffe://<cluster>/<kind>/<name>`. */
export function spiffeId(cluster: string, claims: Claims): string {
  return claims.kind === "host"
    ? `spiffe://${cluster}/${claims.role}/${claims.host}`
    : `spiffe://${cluster}/bot/${claims.bot}`;
}
