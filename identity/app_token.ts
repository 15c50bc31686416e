/** What a server of an app may be told about its caller, in a token that the cluster signs. */
import type { JwtClaims } from "./app.ts";

/** Longer would outlive a lock for too long: nobody can take a token back. */
export const APP_TOKEN_SECONDS = 600;

export interface AppTokenRequest {
  /** `jwt` names the cluster as its issuer; `id_token` its URL, where OpenID Connect looks. */
  readonly kind: "jwt" | "id_token";
  /** The URI of the app. */
  readonly audience: string;
  readonly principal: {
    readonly bot: string;
    readonly roles: readonly string[];
    readonly traits: Readonly<Record<string, readonly string[]>>;
  };
  readonly claims: JwtClaims;
  /** The end of what the token rests on; it ends no later. */
  readonly notAfter: Date;
}

export interface AppToken {
  readonly token: string;
  readonly expires: Date;
}

/** Signs tokens for servers; the authority's, wherever that is. */
export type SignAppToken = (request: AppTokenRequest) => Promise<AppToken>;
