/** Tokens for the servers of apps, and the keys and addresses by which anybody can verify them. */
import { createPublicKey } from "node:crypto";
import { calculateJwkThumbprint, importPKCS8, SignJWT } from "jose";
import type { JWK } from "jose";
import { APP_TOKEN_SECONDS } from "../app_token.ts";
import type { AppToken, AppTokenRequest } from "../app_token.ts";
import type { Cluster } from "./cluster.ts";
import { type JwtKey, publishedKeys, signingKey } from "./jwt_keys.ts";

const ALGORITHM = "ES256";

/** Clocks of servers may be behind by so much. */
const LEEWAY_SECONDS = 10;

/** A public key that tokens are verified by, as a JSON Web Key. */
async function publicJwk(key: JwtKey): Promise<JWK & { kid: string }> {
  const { kty, crv, x, y } = createPublicKey(key.publicKey).export({ format: "jwk" }) as JWK;
  const jwk = { kty, crv, x, y } as JWK;
  // RFC 7638: the same key has the same id everywhere.
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: ALGORITHM, use: "sig" };
}

/** RFC 7517 §5: the keys of a cluster's tokens. */
export async function jwks(cluster: Cluster): Promise<{ keys: JWK[] }> {
  return { keys: await Promise.all((await publishedKeys(cluster)).map(publicJwk)) };
}

/** OpenID Connect Discovery 1.0 §3, as far as it concerns tokens that somebody else brings. */
export async function openidConfiguration(cluster: Cluster): Promise<Record<string, unknown>> {
  const issuer = await issuerUrl(cluster);
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    claims: ["iss", "sub", "aud", "exp", "iat", "nbf", "username", "roles", "traits"],
    id_token_signing_alg_values_supported: [ALGORITHM],
    response_types_supported: ["id_token"],
    scopes_supported: ["openid"],
    subject_types_supported: ["public"],
  };
}

/** Signs one token; claims and their names are the original's. */
export async function signAppToken(
  cluster: Cluster,
  { kind, audience, principal, claims, notAfter }: AppTokenRequest,
): Promise<AppToken> {
  const now = Math.floor(cluster.clock.now().getTime() / 1000);
  const expires = Math.min(now + APP_TOKEN_SECONDS, Math.floor(notAfter.getTime() / 1000));
  const username = `bot-${principal.bot}`;
  const { roles, traits } = principal;
  const key = await signingKey(cluster);
  const { kid } = await publicJwk(key);
  const token = await new SignJWT({
    username,
    ...(claims === "roles-and-traits" || claims === "roles" ? { roles } : {}),
    ...(claims === "roles-and-traits" || claims === "traits" ? { traits } : {}),
  })
    .setProtectedHeader({ alg: ALGORITHM, kid, typ: "JWT" })
    .setIssuer(kind === "jwt" ? cluster.name : await issuerUrl(cluster))
    .setSubject(username)
    .setAudience([audience])
    .setIssuedAt(now)
    .setNotBefore(now - LEEWAY_SECONDS)
    .setExpirationTime(expires)
    .sign(await importPKCS8(key.privateKey, ALGORITHM));
  return { token, expires: new Date(expires * 1000) };
}

/** The address that clients know the cluster by; before it has one, its name. */
async function issuerUrl({ name, store }: Cluster): Promise<string> {
  const stored = await store.get<{ address: string }>("settings", "public_address");
  return `https://${(stored?.value.address ?? name).replace(/:443$/, "")}`;
}
