import assert from "node:assert/strict";
import https from "node:https";
import { createPublicKey } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import type { JSONWebKeySet } from "jose";
import { jwks } from "../../identity/authority/sign_app_token.ts";
import { openCluster, signAppToken } from "../../identity/authority/mod.ts";
import { generateKeyPair } from "../../identity/keys.ts";
import type { AppTokenRequest } from "../../identity/mod.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import { realAuthority } from "../support/real_authority.ts";
import type { RealAuthority } from "../support/real_authority.ts";
import { FakeClock } from "../support/fake_clock.ts";
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
  const { store, keys } = cluster;
  await store.update((tx) => tx.delete("ca", "jwt"));
  const open = () => openCluster({ store, clock: systemClock, log: silentLog });
  const opened = await open();
  assert.deepEqual(opened.keys, keys);
  const { kid } = decodeProtectedHeader((await signAppToken(opened, request())).token);
  assert.equal(decodeProtectedHeader((await signAppToken(await open(), request())).token).kid, kid);
});

test("a cluster that had one key for tokens goes on with it", async (context) => {
  const { cluster: { store, keys } } = await realAuthority(context);
  const jwt = generateKeyPair();
  await store.update(async (tx) => {
    await tx.put("ca", "keys", { ...keys, jwt });
    await tx.delete("ca", "jwt");
  });
  const cluster = await openCluster({ store, clock: systemClock, log: silentLog });
  assert.deepEqual(cluster.keys, keys);
  const { token } = await signAppToken(cluster, request());
  await jwtVerify(token, createPublicKey(jwt.publicKey), { audience: APP_URI });
});

test("a new key for tokens is published before it signs, and the old one until nothing needs it", async (context) => {
  const clock = new FakeClock(new Date("2026-03-01T00:00:00Z"));
  const { cluster } = await realAuthority(context, { clock });
  const minutes = (count: number) => clock.advance(count * 60_000);
  const sign = async () => {
    const notAfter = new Date(clock.now().getTime() + 3_600_000);
    return (await signAppToken(cluster, request({ notAfter }))).token;
  };
  const kid = (token: string) => decodeProtectedHeader(token).kid;
  const served = async () => (await jwks(cluster)).keys.map((key) => key.kid);
  /** As a server does that has fetched the keys at some time. */
  const verify = async (token: string, keys: JSONWebKeySet) =>
    await jwtVerify(token, createLocalJWKSet(keys), {
      audience: APP_URI,
      currentDate: clock.now(),
    });

  const first = kid(await sign());
  assert.deepEqual(await served(), [first]);
  minutes(30 * 24 * 60 - 1);
  assert.equal(kid(await sign()), first);
  assert.deepEqual(await served(), [first]);
  const fetchedBefore = await jwks(cluster) as JSONWebKeySet;

  minutes(1);
  assert.equal(kid(await sign()), first, "the next key does not sign at once");
  const [, second] = await served();
  assert.ok(second !== undefined && second !== first);
  minutes(5);
  // Whoever has asked just before need not ask again for five minutes.
  await verify(await sign(), fetchedBefore);
  minutes(4);
  const last = await sign();
  assert.equal(kid(last), first);
  minutes(1);
  const next = await sign();
  assert.equal(kid(next), second);
  await verify(next, await jwks(cluster) as JSONWebKeySet);

  minutes(8);
  await verify(last, await jwks(cluster) as JSONWebKeySet);
  minutes(12);
  await assert.rejects(verify(last, fetchedBefore), { code: "ERR_JWT_EXPIRED" });
  assert.deepEqual(await served(), [second], "nothing that it has signed is good any more");
  await sign();
  const kept = (await cluster.store.get<{ keys: unknown[] }>("ca", "jwt"))?.value.keys;
  assert.equal(kept?.length, 1, "its private half is gone too");
});

test("a clock that was set back makes no key sign that nobody knows", async (context) => {
  const clock = new FakeClock(new Date("2026-03-01T00:00:00Z"));
  const { cluster } = await realAuthority(context, { clock });
  const sign = async () => {
    const notAfter = new Date(clock.now().getTime() + 3_600_000);
    return decodeProtectedHeader((await signAppToken(cluster, request({ notAfter }))).token).kid;
  };
  const first = await sign();
  clock.advance(31 * 24 * 3_600_000);
  assert.equal(await sign(), first);
  clock.advance(-24 * 3_600_000);
  assert.equal(await sign(), first);
  assert.equal((await jwks(cluster)).keys.length, 2);
});
