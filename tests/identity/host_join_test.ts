// Agents and relays that are not in the authority's process: how they join, what they may serve, and
// how they are kept out.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import type { HostItem } from "../../identity/authority/cluster.ts";
import { JoinedHost, type JoinedHostOptions } from "../../identity/host/mod.ts";
import { signHostProof } from "../../identity/join/host_proof.ts";
import { generateKeyPair, silentLog, systemClock } from "../../identity/mod.ts";
import type { App } from "../../identity/mod.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

const DAY = 86_400_000;

function app(name: string): App {
  return { name, description: "", uri: `mcp+http://${name}.test/`, labels: { env: "dev" } };
}

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "postern-host-"));
  context.cleanup(() => rmSync(path, { recursive: true }));
  return path;
}

test("a token for hosts makes any number of them until it expires, and no bot", async (context) => {
  const clock = new ManualClock();
  const authority = await realAuthority(context, { clock });
  const expires = new Date(clock.now().getTime() + 60_000).toISOString();
  const token = await authority.addHostToken({ roles: ["agent"], expires });
  const { as } = await authority.joinHost();
  const ask = (role: "agent" | "relay") => ({
    token,
    role,
    name: "machine",
    publicKey: generateKeyPair().publicKey,
  });
  const client = as();
  const [first, second] = [await client.join(ask("agent")), await client.join(ask("agent"))];
  assert.notEqual(first.host, second.host);
  await assert.rejects(client.join(ask("relay")), { code: "JOIN_REFUSED", message: /for others/ });
  await assert.rejects(
    authority.connect().join({ method: "token", ttl: 60, ...withoutRole(ask("agent")) }),
    { code: "JOIN_REFUSED" },
  );
  clock.advance(60_000);
  await assert.rejects(client.join(ask("agent")), { code: "JOIN_TOKEN_EXPIRED" });
  const types = await authority.auditTypes();
  assert.equal(types.filter((type) => type === "instance.join TJ002I").length, 3);
  assert.equal(types.filter((type) => type === "instance.join TJ002E").length, 2);
});

test("a host that joins again stays what it was by its old key, and by nothing else", async (context) => {
  const authority = await realAuthority(context);
  const { as, host, key } = await authority.joinHost();
  const client = as();
  const token = await authority.addHostToken();
  const again = (role: "agent" | "relay", signer: string, cluster = authority.cluster.name) => {
    const { publicKey } = generateKeyPair();
    const signature = signHostProof({ cluster, host, publicKey }, signer);
    return client.join({ token, role, name: "machine", publicKey, before: { host, signature } });
  };
  const stranger = generateKeyPair().privateKey;
  await assert.rejects(again("agent", stranger), { code: "JOIN_REFUSED", message: /proof/ });
  await assert.rejects(again("relay", key), { code: "JOIN_REFUSED" });
  await assert.rejects(again("agent", key, "other.test"), { code: "JOIN_REFUSED" });
  assert.equal((await again("agent", key)).host, host);
  // Its answer was lost: the key that the host still has is the one of before.
  assert.equal((await again("agent", key)).host, host);
  await createAdmin(authority.cluster).removeResource({ kind: "host", name: host });
  assert.notEqual((await again("agent", key)).host, host, "a removed host is a new one");
});

test("an agent serves what its token names, and no more", async (context) => {
  const authority = await realAuthority(context);
  const { cluster } = authority;
  const { client, host } = await authority.joinHost("agent", { apps: ["files", "db-*"] });
  const { refused } = await client.presentApps(["files", "db-1", "mail"].map(app));
  assert.deepEqual(refused.map(({ app }) => app), ["mail"]);
  assert.deepEqual(cluster.view.apps().map(({ name }) => name), ["db-1", "files"]);
  assert.equal(cluster.view.agentOf("files")?.host, host);
  await client.presentApps([app("mail")]);
  await client.presentApps([app("mail")]);
  const types = await authority.auditTypes();
  const times = types.filter((type) => type === "host.app_refused PHO02W").length;
  assert.equal(times, 1, "what is said with each lease is recorded once");
});

test("an agent whose token names no apps keeps the names that were free, until it is removed", async (context) => {
  const authority = await realAuthority(context);
  const { cluster } = authority;
  await authority.addApp(app("local"));
  const first = await authority.joinHost();
  const second = await authority.joinHost();
  assert.deepEqual((await first.client.presentApps([app("files")])).refused, []);
  const names = async () => {
    const { refused } = await second.client.presentApps(["files", "local"].map(app));
    return refused.map(({ app }) => app);
  };
  assert.deepEqual(await names(), ["files", "local"]);
  // Also while nobody serves it.
  await first.client.presentApps([]);
  assert.deepEqual(await names(), ["files", "local"]);
  assert.equal(cluster.view.app("files"), undefined);
  await createAdmin(cluster).removeResource({ kind: "host", name: first.host });
  assert.deepEqual(await names(), ["local"]);
  assert.equal(cluster.view.agentOf("files")?.host, second.host);
  await assert.rejects(first.client.presentApps([]), { code: "ACCESS_DENIED" });
});

test("an agent that says nothing is not believed to be there any more", async (context) => {
  const clock = new ManualClock();
  const authority = await realAuthority(context, { clock });
  const { client } = await authority.joinHost();
  const { lease } = await client.presentApps([app("files")]);
  clock.advance(lease - 1);
  assert.notEqual(authority.cluster.view.agentOf("files"), undefined);
  clock.advance(1);
  assert.equal(authority.cluster.view.agentOf("files"), undefined);
});

test("of several agents those are named that have been heard of lately, or that have the session", async (context) => {
  const clock = new ManualClock();
  const authority = await realAuthority(context, { clock });
  const apps = { apps: ["files"] };
  const [dead, alive] = [
    await authority.joinHost("agent", apps),
    await authority.joinHost("agent", apps),
  ];
  const present = async (...agents: typeof dead[]) => {
    for (const { client } of agents) await client.presentApps([app("files")]);
  };
  const named = () =>
    new Set(Array.from({ length: 64 }, () => authority.cluster.view.agentOf("files")?.host));
  await present(dead, alive);
  assert.equal(named().size, 2, "both are there");
  for (const wait of [20_000, 5_000]) {
    clock.advance(wait);
    await present(alive);
  }
  assert.deepEqual([...named()], [alive.host]);
  assert.equal(authority.cluster.view.agentOf("files", dead.host)?.host, dead.host);
});

test("a locked host may do nothing, and nobody is sent to it", async (context) => {
  const authority = await realAuthority(context);
  const admin = createAdmin(authority.cluster);
  const { client, host } = await authority.joinHost();
  await client.presentApps([app("files")]);
  const { name } = await admin.addLock({ host, message: "stolen" });
  assert.equal(authority.cluster.view.agentOf("files"), undefined);
  const { publicKey } = generateKeyPair();
  await assert.rejects(client.renew({ publicKey }), { code: "LOCKED", message: /stolen/ });
  await assert.rejects(client.presentRelay([]), { code: "ACCESS_DENIED" });
  const events = (await authority.cluster.store.latestEvents(100)).map(({ event }) => event);
  const refusals = events.filter(({ type }) => type === "auth");
  assert.deepEqual(refusals.map(({ reason }) => reason), ["LOCKED", "ACCESS_DENIED"]);
  for (const event of refusals) {
    assert.deepEqual([event["code"], event["host_id"], event["cert_kind"], event["success"]], [
      "T3007W",
      host,
      "host",
      false,
    ]);
    assert.match(String(event["addr.remote"]), /127\.0\.0\.1/);
  }
  await admin.removeResource({ kind: "lock", name });
  assert.equal((await client.renew({ publicKey })).host, host);
  assert.notEqual(authority.cluster.view.agentOf("files"), undefined);
  await assert.rejects(admin.addLock({ host: "0".repeat(32) }), { code: "NOT_FOUND" });
});

test("what an agent records is its own, of sessions, and in order", async (context) => {
  const authority = await realAuthority(context);
  const { client, host } = await authority.joinHost();
  const other = await authority.joinHost();
  const head = await client.shipper.head();
  assert.deepEqual([head.writer, head.seq], [host, 0]);
  const { nextRecord } = await import("../../identity/audit/chain.ts");
  const record = (type: string) => nextRecord(head, JSON.stringify({ type }));
  const ship = ({ text, head }: ReturnType<typeof record>, by = client) =>
    by.shipper.ship([{ seq: head.seq, text }], head, { durable: false });
  const good = record("mcp.session.start");
  await assert.rejects(ship(good, other.client), { code: "BAD_REQUEST" });
  await assert.rejects(ship(record("bot.join")), { code: "BAD_REQUEST", message: /sessions/ });
  await assert.rejects(ship({ ...good, head: { ...good.head, hash: "0".repeat(64) } }), {
    code: "BAD_REQUEST",
  });
  const signed = await ship(good);
  assert.equal(signed.hash, good.head.hash);
  await ship(good);
  assert.deepEqual(await client.shipper.head(), good.head);
  const stored = (await authority.auditTypes()).filter((type) => type.startsWith("mcp."));
  assert.equal(stored.length, 1, "what is delivered twice is stored once");
});

test("a token for a server is signed for the agent that serves it, with no more than the bot has", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot", ["dev"]);
  const { client } = await authority.joinHost();
  await client.presentApps([app("files")]);
  const request = (roles: string[], audience = app("files").uri) => ({
    kind: "jwt" as const,
    audience,
    principal: { bot: "robot", roles, traits: { admin: ["yes"] } },
    claims: "roles-and-traits" as const,
    notAfter: new Date(Date.now() + DAY),
  });
  const { token } = await client.signAppToken(request(["dev"]));
  const claims = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
  assert.deepEqual([claims.username, claims.roles, claims.traits], ["bot-robot", ["dev"], {}]);
  await assert.rejects(client.signAppToken(request(["root"])), { code: "ACCESS_DENIED" });
  await assert.rejects(client.signAppToken(request(["dev"], "mcp+http://other/")), {
    code: "ACCESS_DENIED",
  });
});

test("a joined host keeps its certificate, renews it two thirds into its life, and rejoins", async (context) => {
  const authority = await realAuthority(context);
  const path = directory(context);
  const clock = new ManualClock();
  const stop = new AbortController();
  context.cleanup(() => stop.abort());
  const options: JoinedHostOptions = {
    directory: path,
    role: "agent",
    name: "machine",
    authority: authority.proxy,
    trust: { kind: "pins", pins: [authority.pin] },
    token: await authority.addHostToken(),
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
  };
  const first = await JoinedHost.open(options);
  const file = join(path, "host_agent.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const certificate = first.credentials.certificate;

  // It needs no token any more.
  const second = await JoinedHost.open({ ...options, token: undefined, clock });
  assert.deepEqual([second.host, second.credentials.certificate], [first.host, certificate]);
  // A minute before it was issued it is valid already, for clocks that are behind.
  clock.advance(16 * 3_600_000);
  await changed(() => JSON.parse(readFileSync(file, "utf8")).certificate, certificate);
  const renewed = second.credentials.certificate;
  assert.notEqual(renewed, certificate);
  const item = await authority.cluster.store.get<HostItem>("host", first.host);
  assert.equal(item?.value.name, "machine");

  const late = new ManualClock();
  late.advance(2 * DAY);
  const third = await JoinedHost.open({ ...options, clock: late });
  assert.equal(third.host, first.host);
  await assert.rejects(JoinedHost.open({ ...options, token: undefined, clock: late }), {
    code: "CONFIG_INVALID",
    message: /expired/,
  });
  await assert.rejects(
    JoinedHost.open({ ...options, directory: join(path, "new"), token: "f".repeat(32) }),
    { code: "JOIN_REFUSED" },
  );
});

async function changed(read: () => string, before: string): Promise<void> {
  while (read() === before) await new Promise((resolve) => setTimeout(resolve, 5));
}

function withoutRole({ token, publicKey }: { token: string; publicKey: string }) {
  return { token, publicKey };
}
