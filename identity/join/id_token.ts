/** Proves an OIDC token (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725): signature, issuer, audience, time. */
import type { JWTVerifyGetKey } from "jose";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import { type Claims, fits } from "./conditions.ts";
import type { IssuerKeys } from "./issuer_keys.ts";
import type { IdTokenMethod, TokenRules } from "./methods.ts";

/** Never `none`, and nothing whose key both sides have. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

/** Seconds that clocks may differ. */
const SKEW = 10;
/** Kubernetes: a token that lives longer was not made for joining. Seconds. */
const MAX_KUBERNETES_TTL = 30 * 60;

export interface Proof {
  readonly method: IdTokenMethod;
  readonly rules: TokenRules;
  readonly idToken: string;
  /** What the token is for, unless the rules say something else. */
  readonly cluster: string;
}

/** The claims of a token that may join; throws `JOIN_REFUSED` with what is wrong otherwise. */
export async function proveIdToken(
  { cluster, idToken, method, rules }: Proof,
  { clock, keys }: { readonly clock: Clock; readonly keys: IssuerKeys },
): Promise<Claims> {
  const { createLocalJWKSet, errors, jwtVerify } = await import("jose");
  const { allow, audience = cluster, issuer, jwks } = rules;
  const getKey: JWTVerifyGetKey = jwks === undefined
    ? await keys.of(issuer ?? "")
    : createLocalJWKSet(JSON.parse(jwks));
  let claims: Claims;
  try {
    const verified = await jwtVerify(idToken, getKey, {
      algorithms: ALGORITHMS,
      audience,
      ...(issuer !== undefined && { issuer }),
      clockTolerance: SKEW,
      currentDate: clock.now(),
      requiredClaims: ["exp", "iat", "sub"],
    });
    claims = verified.payload;
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    const found = cause instanceof errors.JOSEError ? cause.message : "it cannot be read";
    throw refused(`its ${method} token is not valid: ${found}`, audience, cause);
  }
  if (method === "kubernetes") demandBound(claims, audience);
  if (!fits(claims, allow)) {
    throw refused(`no rule of the join token allows ${JSON.stringify(claims["sub"])}`, audience);
  }
  return claims;
}

/** A service account's token is good only while the pod that it was given to is there. */
function demandBound(claims: Claims, audience: string): void {
  const { pod } = (claims["kubernetes.io"] ?? {}) as { pod?: unknown };
  if (pod === undefined) throw refused("its kubernetes token is not bound to a pod", audience);
  if (Number(claims["exp"]) - Number(claims["iat"]) > MAX_KUBERNETES_TTL + SKEW) {
    throw refused("its kubernetes token lives longer than 30 minutes", audience);
  }
}

function refused(found: string, audience: string, cause?: unknown): IdentityError {
  return new IdentityError("JOIN_REFUSED", `Cannot join: ${found}`, {
    hint: `The token has to be for the audience "${audience}", and fit a rule of the join token`,
    cause,
  });
}
