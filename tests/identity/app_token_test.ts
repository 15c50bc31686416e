import assert from "node:assert/strict";
import https from "node:https";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import type { JSONWebKeySet } from "jose";
import { openCluster, signAppToken } from "../../identity/authority/mod.ts";
import type { AppTokenRequest } from "../../identity/mod.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import { realAuthority } from "../support/real_authority.ts";
import type { RealAuthority } from "../support/real_authority.ts";
import { test } from "../support/harness.ts";

const APP_URI = "mcp+https://mcp.example.com/mcp";

function request(changes: Partial<AppTokenRequest> = {}): AppTokenRequest {
  return {
    kind: "jwt",
    audience: APP_URI,
    principal: { bot: "robot", roles: ["dev"], traits: { team: ["a", "b"] } },
    claims: "roles-and-traits",
    notAfter: new Date(Date.now() + 3_600_000),
    ...changes,
  };
}

/** What anybody finds at a path of the cluster's public port. */
function get({ proxy, cluster }: RealAuthority, path: string): Promise<{ json: unknown }> {
  const ca = cluster.keys.host.certificate;
  return new Promise((resolve, reject) => {
    const url = `https://${proxy.replace("127.0.0.1", "localhost")}${path}`;
    https.get(url, { ca, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
      response.on("end", () => {
        assert.equal(response.statusCode, 200);
        resolve({ json: JSON.parse(text) });
      });
    }).on("error", reject);
  });
}

test("a token of the cluster is verified by the keys that its public port serves", async (context) => {
  const authority = await realAuthority(context);
  const { token, expires } = await signAppToken(authority.cluster, request());
  const { json } = await get(authority, "/.well-known/jwks.json");
  const served = json as JSONWebKeySet;
  const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(served), {
    issuer: "example.test",
    audience: APP_URI,
    algorithms: ["ES256"],
  });
  assert.equal(protectedHeader.kid, served.keys[0]?.kid);
  const { exp = 0, iat = 0, nbf = 0, ...claims } = payload;
  assert.deepEqual(claims, {
    iss: "example.test",
    sub: "bot-robot",
    aud: [APP_URI],
    username: "bot-robot",
    roles: ["dev"],
    traits: { team: ["a", "b"] },
  });
  assert.equal(exp - iat, 600);
  assert.equal(iat - nbf, 10);
  assert.equal(expires.getTime(), exp * 1000);
});

test("the served keys hold no private part", async (context) => {
  const authority = await realAuthority(context);
  const { json } = await get(authority, "/.well-known/jwks.json");
  const [key] = (json as JSONWebKeySet).keys;
  assert.deepEqual(Object.keys(key ?? {}).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
});

for (
  const [claims, names] of [
    ["roles-and-traits", ["roles", "traits"]],
    ["roles", ["roles"]],
    ["traits", ["traits"]],
    ["none", []],
  ] as const
) {
  test(`jwt_claims: ${claims} puts [${names}] into a token`, async (context) => {
    const { cluster } = await realAuthority(context);
    const { token } = await signAppToken(cluster, request({ claims }));
    const [, body = ""] = token.split(".");
    const payload = JSON.parse(atob(body.replaceAll("-", "+").replaceAll("_", "/")));
    assert.deepEqual(Object.keys(payload).filter((name) => /^(roles|traits)$/.test(name)), names);
  });
}

test("a token ends with what it rests on", async (context) => {
  const { cluster } = await realAuthority(context);
  const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 60_000);
  const { expires } = await signAppToken(cluster, request({ notAfter }));
  assert.deepEqual(expires, notAfter);
});

test("an id_token is found by OpenID Connect Discovery", async (context) => {
  const authority = await realAuthority(context);
  const address = authority.proxy;
  await authority.cluster.store.update((tx) => tx.put("settings", "public_address", { address }));
  const { json } = await get(authority, "/.well-known/openid-configuration");
  const { issuer, jwks_uri } = json as { issuer: string; jwks_uri: string };
  assert.equal(issuer, `https://${address}`);
  const { json: keys } = await get(authority, new URL(jwks_uri).pathname);
  const { token } = await signAppToken(authority.cluster, request({ kind: "id_token" }));
  await jwtVerify(token, createLocalJWKSet(keys as JSONWebKeySet), { issuer, audience: APP_URI });
});

test("a cluster that was made before tokens gets a key, and keeps it and the others", async (context) => {
  const { cluster } = await realAuthority(context);
  const { jwt: _, ...older } = cluster.keys;
  await cluster.store.update((tx) => tx.put("ca", "keys", older));
  const open = () => openCluster({ store: cluster.store, clock: systemClock, log: silentLog });
  const { keys } = await open();
  assert.notEqual(keys.jwt.privateKey, cluster.keys.jwt.privateKey);
  assert.deepEqual({ ...keys, jwt: undefined }, { ...older, jwt: undefined });
  assert.deepEqual((await open()).keys, keys);
  const { token } = await signAppToken({ ...cluster, keys }, request());
  assert.equal(decodeProtectedHeader(token).alg, "ES256");
});
