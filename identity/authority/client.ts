import type {
  AppList,
  ClusterInfo,
  IdentityRequest,
  IssuedCertificates,
  JoinRequest,
  RenewRequest,
  SessionGrant,
  SessionRequest,
  TrustBundle,
} from "./api.ts";

/** The authority as a caller sees it. Every method throws `IdentityError`. */
export interface AuthorityClient {
  find(): Promise<ClusterInfo>;
  trust(): Promise<TrustBundle>;
  join(request: JoinRequest): Promise<IssuedCertificates>;
  renew(request: RenewRequest): Promise<IssuedCertificates>;
  issueIdentity(request: IdentityRequest): Promise<IssuedCertificates>;
  openSession(request: SessionRequest): Promise<SessionGrant>;
  apps(): Promise<AppList>;
}

/** How a caller knows that it speaks to the right authority. */
export type Trust =
  /** CA certificates, PEM, from an identity file or a stored identity. */
  | { readonly kind: "cas"; readonly hostCas: readonly string[] }
  /** `sha256:<hex>` of a CA's public key info; one match is enough. */
  | { readonly kind: "pins"; readonly pins: readonly string[] }
  /** Nothing is checked; for experiments only. */
  | { readonly kind: "insecure" };

export interface ConnectOptions {
  /** `host:port` of the cluster's public port. */
  readonly proxy: string;
  readonly trust: Trust;
  /** The client certificate and its key, PEM; absent for join and find. */
  readonly credentials?: { readonly certificate: string; readonly key: string };
  /** Milliseconds for one call, connecting included (default 30,000). */
  readonly timeout?: number;
}
