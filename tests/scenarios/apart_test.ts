// One authority, two relays and two agents, each a process of its own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ApartCluster } from "../support/apart_cluster.ts";
import { eventually, GUIDE_ROLE, NARROW_ROLE } from "../support/cluster_process.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "a cluster in five processes serves sessions, follows its roles and locks, and outlives its parts",
  async (context) => {
    const cluster = await ApartCluster.start(context);
    const first = await cluster.startRelay("relay-1");
    const second = await cluster.startRelay("relay-2");
    const one = await cluster.startAgent("agent-1", "one", `proxy_server: ${first.proxy}`);
    const two = await cluster.startAgent("agent-2", "two", `auth_server: ${cluster.authority}`);
    for (let i = 0; i < 20; i++) await cluster.guess(second.proxy, "127.0.0.9");
    assert.match(await cluster.guess(second.proxy, "127.0.0.9"), /RATE_LIMITED/);
    // Who guesses keeps out nobody else who comes by the same relay.
    await cluster.join(second.proxy);

    const near = await cluster.open("one", first.proxy);
    const far = await cluster.open("two", second.proxy);
    assert.equal(await near.call("echo", { message: "hello" }), "Echo: hello");
    assert.equal(await far.call("echo", { message: "hello" }), "Echo: hello");
    assert.ok((await near.tools()).includes("get-env"));
    const sessions = JSON.parse(await cluster.tctl("sessions", "ls", "--format=json"));
    assert.deepEqual(
      sessions.map(({ app, host }: Record<string, string>) => [app, host]).toSorted(),
      [["one", one.host], ["two", two.host]],
    );
    assert.match(sessions[0].address, /^127\.0\.0\.1 via relay\/[0-9a-f]{32}$/);
    assert.match(await cluster.tctl("mcp", "tools", "two"), /echo/);

    cluster.write("narrow.yaml", NARROW_ROLE);
    await cluster.tctl("create", "-f", "narrow.yaml");
    await eventually(() => near.listChanges > 0, "the session hears of the role");
    assert.ok(!(await near.tools()).includes("get-env"));

    const lock = JSON.parse(await cluster.tctl("lock", "--app=one", "--format=json"));
    assert.deepEqual(
      lock.ended.map(({ app, host }: Record<string, string>) => [app, host]),
      [["one", one.host]],
    );
    assert.equal(typeof lock.ended[0].milliseconds, "number");
    await near.refusal("echo", { message: "locked out" });
    await cluster.tctl("rm", `lock/${lock.name}`);

    await first.process.kill();
    assert.equal(await far.call("echo", { message: "still" }), "Echo: still");
    // An agent that has found the authority through that relay knows the other.
    const again = await cluster.open("one", second.proxy);
    assert.equal(await again.call("echo", { message: "again" }), "Echo: again");
    cluster.write("wide.yaml", GUIDE_ROLE);
    await cluster.tctl("create", "-f", "wide.yaml");
    await eventually(
      async () => (await again.tools()).includes("get-env"),
      "news come by the other relay",
    );

    await two.process.kill();
    await assert.rejects(cluster.open("two", second.proxy));
    assert.equal(await again.call("echo", { message: "alone" }), "Echo: alone");
    const events = await cluster.tctl("audit", "ls", "--format=json");
    assert.ok(
      JSON.parse(events).some(({ app_name }: Record<string, string>) => app_name === "two"),
    );
    assert.match(await cluster.tctl("audit", "verify"), /The log is whole/);
    assert.equal(await second.process.stop(), 0, "a relay ends also while an agent uses it");
  },
  { proves: ["apart.whole", "apart.parts_end"] },
);

test(
  "an agent whose authority is away goes on for a while, and then lets nobody use what it cannot judge",
  async (context) => {
    const cluster = await ApartCluster.start(context);
    const relay = await cluster.startRelay("relay");
    const agent = await cluster.startAgent("agent", "one", `auth_server: ${cluster.authority}`);
    await cluster.join(relay.proxy);
    const client = await cluster.open("one", relay.proxy);
    await cluster.authorityProcess.kill();
    assert.equal(await client.call("echo", { message: "still" }), "Echo: still");
    // Nobody is there to take the records: what has ended the session stands where they wait.
    const spool = join(cluster.directory, "agent", "data", "audit.spool");
    await eventually(
      () => readFileSync(spool, "utf8").includes('"reason":"AUTHORITY_AWAY"'),
      "the agent ends what it cannot judge any more",
    );
    assert.match(
      agent.process.stderr,
      /"news":"stale".*"news":"lost"/s,
      "first the one, then the other",
    );
  },
  { proves: ["apart.authority_away"] },
);
