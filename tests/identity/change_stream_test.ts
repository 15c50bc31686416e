// The change stream over real TLS: what a host is told, how fast it ends when the host is kept out,
// and that news that somebody holds back on the way are known to be old.
import assert from "node:assert/strict";
import net from "node:net";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { connectHost } from "../../identity/host/mod.ts";
import { ClusterFollower, RemoteView } from "../../identity/stream/mod.ts";
import type { StreamLine } from "../../identity/stream/line.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import type { ConnectOptions } from "../../identity/mod.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { type HostMachine, type RealAuthority, realAuthority } from "../support/real_authority.ts";

const ROLE =
  "kind: role\nversion: v6\nmetadata: {name: dev}\nspec: {allow: {app_labels: {env: dev}}}\n";

function connectionOf(authority: RealAuthority, host: HostMachine, proxy = authority.proxy) {
  const hostCas = [authority.cluster.keys.host.certificate];
  return (): ConnectOptions => ({ proxy, trust: { kind: "cas", hostCas }, credentials: host });
}

async function follow(
  context: TestContext,
  connect: () => ConnectOptions,
): Promise<ClusterFollower> {
  const stop = new AbortController();
  context.cleanup(() => stop.abort());
  const { signal } = stop;
  return await ClusterFollower.open({
    connect,
    clock: systemClock,
    log: silentLog,
    signal,
    random: () => 0,
    onQuestion: ({ id }) => void connectHost(connect).answer(id, []).catch(() => {}),
  });
}

/** Resolves once it holds, at one of the follower's own tellings. */
async function told(follower: ClusterFollower, holds: () => boolean): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve) => {
    const stop = follower.subscribe(() => {
      if (!holds()) return;
      stop();
      resolve();
    });
  });
}

test("an agent knows roles, bots, locks and CAs as soon as they change; a relay no user data", async (context) => {
  const authority = await realAuthority(context);
  await authority.addBot("robot", ["dev"]);
  const agent = await authority.joinHost("agent");
  const follower = await follow(context, connectionOf(authority, agent));
  const view = await RemoteView.open(follower, {
    clock: systemClock,
    log: silentLog,
    app: () => undefined,
    onApps: () => () => {},
  });
  assert.equal(view.news(), "fresh");
  assert.deepEqual(view.userCas(), authority.cluster.view.userCas());
  assert.equal(view.standing("robot", "").kind, "live");
  assert.equal(view.role("dev"), undefined);
  await authority.addRole("dev", ROLE);
  await told(follower, () => view.role("dev") !== undefined);
  const { name } = await createAdmin(authority.cluster).addLock({ bot: "robot" });
  await told(follower, () => view.standing("robot", "").kind === "locked");
  await createAdmin(authority.cluster).removeResource({ kind: "lock", name });
  await told(follower, () => view.standing("robot", "").kind === "live");
  assert.equal(follower.replica.get("host", agent.host), undefined, "hosts are nobody's to know");

  const relay = await authority.joinHost("relay");
  const other = await follow(context, connectionOf(authority, relay));
  assert.equal(other.replica.size, 0);
  assert.deepEqual(Object.keys(other.facts).toSorted(), [
    "cluster",
    "hostCas",
    "relays",
    "ticketKeys",
  ]);
  assert.doesNotMatch(JSON.stringify([other.facts, follower.facts]), /PRIVATE/);
  await relay.client.presentRelay(["127.0.0.1:3080"]);
  await told(follower, () => follower.facts.relays.length === 1);
  assert.deepEqual(follower.facts.relays, [{ host: relay.host, addresses: ["127.0.0.1:3080"] }]);
});

test("an agent whose token names its apps is told of no other app resource", async (context) => {
  const authority = await realAuthority(context);
  const resource = (name: string) => ({ name, description: "", uri: "mcp+http://x/", labels: {} });
  for (const name of ["files", "mail"]) {
    await authority.cluster.store.update((tx) => tx.put("app", name, resource(name)));
  }
  const bound = await authority.joinHost("agent", { apps: ["f*"] });
  const follower = await follow(context, connectionOf(authority, bound));
  assert.deepEqual((await follower.replica.list("app")).map(({ name }) => name), ["files"]);
});

for (const how of ["locked", "removed"]) {
  test(`a host that is ${how} believes nothing any more, at once`, async (context) => {
    const authority = await realAuthority(context);
    const host = await authority.joinHost("agent");
    const follower = await follow(context, connectionOf(authority, host));
    const admin = createAdmin(authority.cluster);
    let lock = "";
    if (how === "locked") lock = (await admin.addLock({ host: host.host })).name;
    else await admin.removeResource({ kind: "host", name: host.host });
    await told(follower, () => follower.news() === "lost");
    if (lock === "") return;
    await admin.removeResource({ kind: "lock", name: lock });
    await told(follower, () => follower.news() === "fresh");
  });
}

test("a follower that was cut off goes on where it was, and is told nothing twice", async (context) => {
  const authority = await realAuthority(context);
  const host = await authority.joinHost("agent");
  const port = Number(authority.proxy.split(":")[1]);
  const open = new Set<net.Socket>();
  const way = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
  context.cleanup(() => way.close());
  const cut = () => {
    for (const socket of open) socket.destroy();
    open.clear();
  };
  context.cleanup(cut);
  const proxy = `127.0.0.1:${(way.address() as net.AddressInfo).port}`;
  const follower = await follow(context, connectionOf(authority, host, proxy));
  const { version } = follower.replica;
  const changed: string[] = [];
  follower.replica.subscribe((changes) => changed.push(...changes.map(({ name }) => name)));
  cut();
  await authority.addRole("dev", ROLE);
  await told(follower, () => follower.replica.get("role", "dev") !== undefined);
  assert.equal(follower.replica.version?.epoch, version?.epoch);
  assert.deepEqual(changed, ["dev"]);
});

test("news that are held back on the way are old, however regularly they come", async () => {
  const clock = new ManualClock();
  const lines: { push: (line: StreamLine) => void } = { push: () => {} };
  async function* open(): AsyncGenerator<StreamLine, void> {
    const queue: StreamLine[] = [];
    let wake = () => {};
    lines.push = (line) => {
      queue.push(line);
      wake();
    };
    for (;;) {
      while (queue.length > 0) yield queue.shift()!;
      await new Promise<void>((resolve) => wake = resolve);
    }
  }
  const stop = new AbortController();
  const opening = ClusterFollower.open({
    connect: () => ({ proxy: "", trust: { kind: "system" } }),
    clock,
    log: silentLog,
    signal: stop.signal,
    ages: { stale: 5_000, lost: 60_000 },
    open,
  });
  const facts = { cluster: "c", hostCas: [], ticketKeys: [], relays: [] };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
  await settle();
  lines.push({ begin: "snapshot", epoch: "e" });
  lines.push({ commit: { seq: 0, revision: 0 } });
  lines.push({ facts });
  lines.push({ pulse: 0 });
  const follower = await opening;
  assert.equal(follower.news(), "fresh");
  // Each second one pulse comes, as it should; but each is from ever longer ago.
  for (let second = 1; second <= 20; second++) {
    clock.advance(1_000);
    lines.push({ pulse: second * 500 });
    await settle();
    assert.equal(follower.news(), second < 10 ? "fresh" : "stale", `after ${second} s`);
  }
  // Somebody who lies about the future gains no credit for it.
  lines.push({ pulse: 1_000_000 });
  await settle();
  assert.equal(follower.news(), "fresh");
  clock.advance(5_000);
  assert.equal(follower.news(), "stale");
  clock.advance(55_000);
  assert.equal(follower.news(), "lost");
  stop.abort();
});
