import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { listInstances, removeBot } from "../../identity/authority/admin/bots.ts";
import type { HeartbeatRequest } from "../../identity/authority/api.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { readTicket } from "../../identity/authority/mod.ts";
import { generateKeyPair, IdentityError, systemClock } from "../../identity/mod.ts";
import type { App, AuthorityClient, Clock } from "../../identity/mod.ts";
import { issueCertificate, readCertificate } from "../../identity/x509/mod.ts";
import { test } from "../support/harness.ts";
import { AGENT, realAuthority, TTL } from "../support/real_authority.ts";
import type { Credentials } from "../support/real_authority.ts";

const app: App = {
  name: "my-mcp-server",
  description: "",
  uri: "mcp+stdio://",
  labels: { env: "dev" },
};
const devRole = `kind: role
version: v6
metadata:
  name: dev
spec:
  allow:
    app_labels:
      env: dev
    mcp:
      tools: ['*']
`;

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof IdentityError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

test("a bot joins with a token and a pin, renews, and gets the identity of its roles", async (context) => {
  const authority = await realAuthority(context);
  await authority.addRole("dev", devRole);
  await authority.addBot("robot", ["dev"]);
  const token = await authority.addToken("robot");
  const { publicKey, privateKey: key } = generateKeyPair();
  const pinned = authority.connect(undefined, { kind: "pins", pins: [authority.pin] });
  const joined = await pinned.join({ method: "token", token, publicKey, ttl: TTL });
  assert.equal(readCertificate(joined.tls).spiffeId, "spiffe://example.test/bot/robot");

  const next = generateKeyPair();
  const bot = { certificate: joined.tls, key };
  const renewed = await authority.connect(bot).renew({ publicKey: next.publicKey, ttl: TTL });
  const { claims } = readCertificate(renewed.tls);
  assert.equal(claims.kind === "bot" && claims.generation, 2);

  const output = await authority.issue({ certificate: renewed.tls, key: next.privateKey });
  const identity = readCertificate(output.certificate);
  assert.deepEqual(identity.claims.kind === "identity" && identity.claims.roles, ["dev"]);
  assert.ok(identity.notAfter <= readCertificate(renewed.tls).notAfter);
  assert.deepEqual(await authority.auditTypes(), [
    "cert.create TC000I", // the authority's own
    "cert.create TC000I",
    "bot.join TJ001I",
    "cert.create TC000I",
    "cert.create TC000I",
  ]);
});

test("a token joins once: the same key hears the same again, another key is refused", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const token = await authority.addToken("robot");
  const { publicKey } = generateKeyPair();
  const join = (key: string) =>
    authority.connect().join({ method: "token", token, publicKey: key, ttl: TTL });
  const instance = async () => {
    const { claims } = readCertificate((await join(publicKey)).tls);
    return claims.kind === "bot" ? [claims.instance, claims.generation] : [];
  };
  assert.deepEqual(await instance(), await instance());
  await assert.rejects(join(generateKeyPair().publicKey), refused("JOIN_TOKEN_USED"));
  assert.equal((await authority.auditTypes()).at(-1), "bot.join TJ001E");
});

test("of many machines with one token, one joins", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const token = await authority.addToken("robot");
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () =>
      authority.connect().join({
        method: "token",
        token,
        publicKey: generateKeyPair().publicKey,
        ttl: TTL,
      })),
  );
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

test("an expired token and an unknown one are refused, each with its reason", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const { publicKey } = generateKeyPair();
  const join = (token: string) =>
    authority.connect().join({ method: "token", token, publicKey, ttl: TTL });
  const old = await authority.addToken("robot", new Date(Date.now() - 1000));
  await assert.rejects(join(old), refused("JOIN_TOKEN_EXPIRED"));
  await assert.rejects(join("f".repeat(32)), refused("JOIN_REFUSED"));
});

test("nothing is sent to an authority whose CA has another pin, or another CA", async (context) => {
  const authority = await realAuthority(context);
  const other = await realAuthority(context, { name: "other.test" });
  await authority.addBot("robot");
  const token = await authority.addToken("robot");
  const { publicKey } = generateKeyPair();
  const request = { method: "token", token, publicKey, ttl: TTL } as const;
  const pins = authority.connect(undefined, { kind: "pins", pins: [other.pin] });
  await assert.rejects(pins.join(request), refused("CA_PIN_MISMATCH"));
  const hostCas = [other.cluster.keys.host.certificate];
  const cas = authority.connect(undefined, { kind: "cas", hostCas });
  await assert.rejects(cas.join(request), refused("TLS_UNTRUSTED"));
  const system = authority.connect(undefined, { kind: "system" });
  await assert.rejects(system.join(request), refused("TLS_UNTRUSTED"));
  // The token is still good: no one has heard of it.
  await authority.connect().join(request);
});

test("a lost renewal is forgiven; credentials on two machines lock that instance alone", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const first = await authority.join("robot");
  const { publicKey } = generateKeyPair();
  const renew = (key: string) => authority.connect(first).renew({ publicKey: key, ttl: TTL });
  const generation = async (key: string) => {
    const { claims } = readCertificate((await renew(key)).tls);
    return claims.kind === "bot" && claims.generation;
  };
  assert.equal(await generation(publicKey), 2);
  assert.equal(await generation(publicKey), 2);
  await assert.rejects(renew(generateKeyPair().publicKey), refused("LOCKED"));
  assert.deepEqual((await authority.auditTypes()).slice(-2), [
    "bot.generation_mismatch TCB00W",
    "lock.created TLK00I",
  ]);
  await assert.rejects(renew(publicKey), refused("LOCKED"), "the lock holds for both machines");
  await authority.issue(await authority.join("robot"));
});

test("a session is for one app, behind a ticket, and its certificate opens nothing else", async (context) => {
  const authority = await realAuthority(context);
  await authority.addRole("dev", devRole);
  await authority.addBot("robot", ["dev"]);
  await authority.addApp(app);
  const identity = await authority.issue(await authority.join("robot"));
  const session = generateKeyPair();
  const grant = await authority.connect(identity)
    .openSession({ app: app.name, publicKey: session.publicKey });
  const ticket = readTicket(
    grant.servername,
    authority.cluster.keys.ticket.publicKey,
    new Date(),
  );
  const { claims, notAfter } = readCertificate(grant.certificate);
  assert.ok(claims.kind === "session");
  assert.equal(claims.app, app.name);
  assert.equal(claims.ticket, ticket?.id);
  assert.equal(grant.agent, `spiffe://example.test/agent/${AGENT}`);
  assert.ok(notAfter <= readCertificate(identity.certificate).notAfter);

  const stranger = authority.connect({ certificate: grant.certificate, key: session.privateKey });
  for (const [name, call] of endpoints(stranger)) {
    await assert.rejects(call(), refused("ACCESS_DENIED"), name);
  }
});

test("of several agents that serve an app, the one that has the session is asked for", async (context) => {
  const authority = await realAuthority(context);
  await authority.addRole("dev", devRole);
  await authority.addBot("robot", ["dev"]);
  await authority.addApp(app);
  const second = "b".repeat(32);
  const serve = (apps: readonly App[]) =>
    authority.cluster.store.update((tx) => tx.put("agent", second, { apps: [...apps] }));
  await serve([app]);
  const client = authority.connect(await authority.issue(await authority.join("robot")));
  const id = (host: string) => `spiffe://example.test/agent/${host}`;
  const granted = async (agent?: string) => {
    const { publicKey } = generateKeyPair();
    const request = { app: app.name, publicKey, ...(agent !== undefined && { agent }) };
    return (await client.openSession(request)).agent;
  };
  assert.equal(await granted(id(AGENT)), id(AGENT));
  assert.equal(await granted(id(second)), id(second));
  // Who knows of none gets any of them.
  for (const agent of [undefined, "spiffe://elsewhere.test/agent/x"]) {
    assert.ok([id(AGENT), id(second)].includes(await granted(agent)));
  }
  // It serves the app no more: somebody else does.
  await serve([]);
  assert.equal(await granted(id(second)), id(AGENT));
});

test("no session without allow_reissue, without a role that reaches the app, or without the app", async (context) => {
  const authority = await realAuthority(context);
  await authority.addRole("dev", devRole);
  await authority.addRole(
    "other",
    devRole.replace("name: dev", "name: other").replace(": dev", ": prod"),
  );
  await authority.addBot("robot", ["dev", "other"]);
  await authority.addApp(app);
  const bot = await authority.join("robot");
  const open = async (identity: Credentials, name = app.name) =>
    await authority.connect(identity)
      .openSession({ app: name, publicKey: generateKeyPair().publicKey });
  await assert.rejects(
    open(await authority.issue(bot, { reissue: false })),
    refused("REISSUE_DENIED"),
  );
  await assert.rejects(
    open(await authority.issue(bot, { roles: ["other"] })),
    refused("ACCESS_DENIED"),
  );
  await assert.rejects(open(await authority.issue(bot), "unknown"), refused("ACCESS_DENIED"));
  await assert.rejects(authority.issue(bot, { roles: ["foreign"] }), refused("ACCESS_DENIED"));

  const identity = await authority.issue(bot);
  const { apps } = await authority.connect(identity).apps();
  assert.deepEqual(apps.map(({ name }) => name), [app.name]);
  // A role that does not reach the app says nothing about its tools.
  assert.deepEqual(apps[0]!.byRole, [{ role: "dev", allowed: ["*"], denied: [] }]);
  await authority.addBot("robot", ["other"]);
  await assert.rejects(open(identity), refused("ACCESS_DENIED"), "a role taken acts at once");
  await authority.cluster.store.update((tx) =>
    tx.put("lock", "l", { target: { bot: "robot" }, message: "stolen", created: "" })
  );
  await assert.rejects(open(identity), refused("LOCKED"));
  assert.equal((await authority.auditTypes()).at(-1), "auth T3007W");
  // The peer cannot tell apart what the log does.
  const refusals = (await authority.cluster.store.latestEvents(100)).map(({ event }) => event)
    .filter(({ code }) => code === "TMCP001E");
  assert.deepEqual(
    refusals.map(({ app_name, status }) => [app_name, (status as { error: string }).error]),
    [
      [app.name, "access denied: identity is not allowed to reissue certificates"],
      [app.name, "access to app denied: Denied: no role allows it"],
      ["unknown", "access to app denied: no such app"],
      [app.name, "access to app denied: Denied: no role allows it"],
    ],
  );
});

test("an identity for one app opens sessions for that app, and sees no other", async (context) => {
  const authority = await realAuthority(context);
  await authority.addRole("dev", devRole);
  await authority.addBot("robot", ["dev"]);
  const second: App = { ...app, name: "second" };
  await authority.cluster.store.update((tx) => tx.put("agent", AGENT, { apps: [app, second] }));
  const bot = await authority.join("robot");
  const client = authority.connect(await authority.issue(bot, { app: app.name }));
  const { publicKey } = generateKeyPair();
  assert.match((await client.openSession({ app: app.name, publicKey })).session, /^[0-9a-f-]{36}$/);
  await assert.rejects(client.openSession({ app: "second", publicKey }), refused("ACCESS_DENIED"));
  assert.deepEqual((await client.apps()).apps.map(({ name }) => name), [app.name]);
  const whole = await authority.connect(await authority.issue(bot)).apps();
  assert.deepEqual(whole.apps.map(({ name }) => name).sort(), [app.name, "second"].sort());
  const issued = (await authority.cluster.store.latestEvents(100)).map(({ event }) => event)
    .flatMap(({ identity }) =>
      (identity as { route_to_app?: { name: string } })?.route_to_app ?? []
    );
  assert.ok(issued.some(({ name, ...rest }) => name === app.name && !("session_id" in rest)));
});

test("a bot's machine says how it fares; its words are shown, and are forgotten with it", async (context) => {
  let offset = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offset) };
  const authority = await realAuthority(context, { clock });
  await authority.addBot("robot");
  const bot = await authority.join("robot");
  const service = { name: "identity", type: "internal/identity", status: "healthy" } as const;
  const words: HeartbeatRequest = {
    version: "1.2.3",
    hostname: "host-1",
    started: "2026-11-23T12:00:00.000Z",
    oneshot: false,
    interval: 1200,
    services: [service],
  };
  const instances = () => listInstances(authority.cluster, {});
  assert.deepEqual((await instances()).map(({ health }) => health), [undefined]);
  await authority.connect(bot).heartbeat(words);
  const [healthy] = await instances();
  assert.equal(healthy?.health, "healthy");
  assert.equal(healthy?.heartbeat?.hostname, "host-1");
  const bad = { ...service, name: "out", status: "unhealthy", reason: "the disk is full" } as const;
  await authority.connect(bot).heartbeat({ ...words, services: [service, bad] });
  assert.equal((await instances())[0]?.health, "unhealthy");
  offset = 31 * 60_000;
  assert.equal((await instances())[0]?.health, "silent");
  offset = 0;
  await assert.rejects(
    authority.connect(await authority.issue(bot)).heartbeat(words),
    refused("ACCESS_DENIED"),
    "an output speaks for nobody",
  );
  await assert.rejects(
    authority.connect(bot).heartbeat({ ...words, extra: 1 } as HeartbeatRequest),
    refused("BAD_REQUEST"),
  );
  await removeBot(authority.cluster, { name: "robot" });
  assert.deepEqual(await authority.cluster.store.list("heartbeat"), []);
});

test("every endpoint refuses a caller without a certificate, or with one that is not ours", async (context) => {
  const authority = await realAuthority(context);
  const other = await realAuthority(context, { name: "other.test" });
  await other.addBot("robot");
  const foreign = await other.join("robot");
  for (const credentials of [undefined, foreign]) {
    const code = credentials ? "CERTIFICATE_INVALID" : "CERTIFICATE_MISSING";
    for (const [name, call] of endpoints(authority.connect(credentials))) {
      await assert.rejects(call(), refused(code), name);
    }
  }
});

test("an expired certificate is refused by the authority's own clock", async (context) => {
  let offset = 0;
  const clock: Clock = { ...systemClock, now: () => new Date(Date.now() + offset) };
  const authority = await realAuthority(context, { clock });
  await authority.addBot("robot");
  const bot = await authority.join("robot");
  offset = (TTL + 1) * 1000;
  await assert.rejects(authority.issue(bot), refused("CERTIFICATE_EXPIRED"));
});

test("a truly expired certificate never passes, whatever TLS made of it", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot");
  const expired = await expiredBot(authority.cluster);
  assert.ok(new Date(new X509Certificate(expired.certificate).validTo) < new Date());
  await assert.rejects(
    authority.issue(expired),
    (error: unknown) => error instanceof IdentityError && error.code === "CERTIFICATE_EXPIRED",
  );
});

function endpoints(client: AuthorityClient): [string, () => Promise<unknown>][] {
  const publicKey = generateKeyPair().publicKey;
  return [
    ["renew", () => client.renew({ publicKey, ttl: TTL })],
    ["identities", () => client.issueIdentity({ publicKey, ttl: TTL, reissue: true })],
    ["sessions", () => client.openSession({ app: app.name, publicKey })],
    ["apps", () => client.apps()],
  ];
}

async function expiredBot(cluster: Cluster): Promise<Credentials> {
  const { publicKey, privateKey: key } = generateKeyPair();
  const now = Date.now();
  const { certificate } = await issueCertificate(cluster.keys.user, {
    cluster: cluster.name,
    publicKey,
    claims: { kind: "bot", bot: "robot", instance: "0".repeat(32), generation: 1 },
    notBefore: new Date(now - 30_000),
    notAfter: new Date(now - 10_000),
    usage: ["client"],
  });
  return { certificate, key };
}
