// Rotations of the CAs, on a real authority with a clock of its own.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { type Cluster, openCluster } from "../../identity/authority/mod.ts";
import { CA_TYPES, type CaType, type RotationPhase } from "../../identity/authority/ca_rotation.ts";
import { trustBundle } from "../../identity/authority/issuing.ts";
import { keepRotating, takeDueStep } from "../../identity/authority/rotate_ca.ts";
import { caPin, generateKeyPair, silentLog } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";
import { type Credentials, realAuthority, TTL } from "../support/real_authority.ts";

const START = new Date("2026-11-23T10:00:00Z");
const HOUR = 3_600_000;
const GRACE = 48 * 3600;

/** A cluster in a directory, which can be closed and opened again. */
function onDisk(context: TestContext, clock: FakeClock) {
  const directory = mkdtempSync(join(tmpdir(), "postern-rotation-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  return async <T>(use: (cluster: Cluster) => Promise<T>): Promise<T> => {
    const store = openSqliteStore({ directory, now: () => clock.now() });
    try {
      const cluster = await openCluster({ store, name: "example.test", clock, log: silentLog });
      try {
        return await use(cluster);
      } finally {
        await cluster.audit.close();
      }
    } finally {
      await store.close();
    }
  };
}

function rotate(cluster: Cluster, type: CaType, phase: RotationPhase) {
  return createAdmin(cluster).rotateCa({ type, phase, mode: "manual", graceSeconds: GRACE });
}

const phases = (cluster: Cluster) =>
  createAdmin(cluster).status({}).then(({ cas }) => cas.map(({ rotation }) => rotation.phase));

test("each phase of a rotation trusts both keys, and signs with the right one", async (context) => {
  const open = onDisk(context, new FakeClock(START));
  await open(async (cluster) => {
    const { host, user, sshHost, sshUser } = cluster.keys;
    for (const type of CA_TYPES) await rotate(cluster, type, "init");
    const [, nextHost = ""] = trustBundle(cluster).hostCas;
    const [, nextUser = ""] = trustBundle(cluster).userCas;
    assert.notEqual(nextHost, host.certificate);
    const signs: string[][] = [];
    const seen = () => {
      const { hostCas, userCas, sshHostCas, sshUserCas } = trustBundle(cluster);
      for (const each of [hostCas, userCas, sshHostCas, sshUserCas]) assert.equal(each.length, 2);
      assert.deepEqual([...hostCas].sort(), [host.certificate, nextHost].sort());
      assert.deepEqual([...userCas].sort(), [user.certificate, nextUser].sort());
      assert.deepEqual(cluster.view.userCas(), userCas);
      const old = (is: boolean) => is ? "old" : "new";
      signs.push([
        old(cluster.keys.host.certificate === host.certificate),
        old(cluster.keys.sshHost.privateKey === sshHost.privateKey),
        old(cluster.keys.user.certificate === user.certificate),
        old(cluster.keys.sshUser.privateKey === sshUser.privateKey),
      ]);
    };
    seen();
    for (const phase of ["update_clients", "update_servers"] as const) {
      for (const type of CA_TYPES) await rotate(cluster, type, phase);
      seen();
    }
    assert.deepEqual(signs, [
      ["old", "old", "old", "old"],
      ["old", "old", "new", "new"],
      ["new", "new", "new", "new"],
    ]);
    for (const type of CA_TYPES) await rotate(cluster, type, "standby");
    assert.deepEqual(trustBundle(cluster).hostCas, [nextHost]);
    assert.deepEqual(cluster.view.userCas(), [nextUser]);
  });
});

for (const from of ["init", "update_clients", "update_servers"] as const) {
  test(`a rollback from ${from} signs with the old keys, and its end forgets the new`, async (context) => {
    const open = onDisk(context, new FakeClock(START));
    await open(async (cluster) => {
      const before = trustBundle(cluster);
      for (const type of CA_TYPES) {
        for (const phase of ["init", "update_clients", "update_servers"] as const) {
          await rotate(cluster, type, phase);
          if (phase === from) break;
        }
        await rotate(cluster, type, "rollback");
      }
      const during = trustBundle(cluster);
      assert.deepEqual([during.hostCas[0], during.userCas[0]], [
        before.hostCas[0],
        before.userCas[0],
      ]);
      assert.deepEqual([during.hostCas.length, during.sshUserCas.length], [2, 2]);
      for (const type of CA_TYPES) await rotate(cluster, type, "standby");
      assert.deepEqual(trustBundle(cluster), before);
      const [host] = (await createAdmin(cluster).status({})).cas;
      assert.equal(host?.rotation.lastRotated, undefined);
    });
  });
}

test("a step that cannot follow is refused and changes nothing", async (context) => {
  const open = onDisk(context, new FakeClock(START));
  await open(async (cluster) => {
    const refused = async (...phases: RotationPhase[]) => {
      for (const phase of phases) {
        const { keys } = cluster;
        await assert.rejects(rotate(cluster, "user", phase), { code: "BAD_REQUEST" });
        assert.equal(cluster.keys, keys);
      }
    };
    await refused("update_clients", "update_servers", "standby", "rollback");
    await rotate(cluster, "user", "init");
    await refused("init", "update_servers", "standby");
    await rotate(cluster, "user", "update_clients");
    await refused("init", "update_clients", "standby");
    await rotate(cluster, "user", "rollback");
    await refused("init", "update_clients", "update_servers", "rollback");
  });
});

test("a rotation by schedule goes on by itself, also when the authority starts anew", async (context) => {
  const clock = new FakeClock(START);
  const open = onDisk(context, clock);
  await open((cluster) =>
    createAdmin(cluster).rotateCa({ type: "user", mode: "auto", graceSeconds: GRACE })
  );
  const seen: string[] = [];
  for (let hours = 0; hours < 50; hours += 2) {
    await open(async (cluster) => {
      await takeDueStep(cluster, "user");
      assert.equal(await takeDueStep(cluster, "user"), false, "one step, once");
      const phase = (await phases(cluster))[1] ?? "";
      if (seen.at(-1)?.endsWith(phase) !== true) seen.push(`${hours}h ${phase}`);
    });
    clock.advance(2 * HOUR);
  }
  assert.deepEqual(seen, ["0h init", "16h update_clients", "32h update_servers", "48h standby"]);
});

test("steps that were missed are not taken all at once: machines need the time", async (context) => {
  const clock = new FakeClock(START);
  const open = onDisk(context, clock);
  await open(async (cluster) => {
    await createAdmin(cluster).rotateCa({ type: "user", mode: "auto", graceSeconds: GRACE });
    clock.advance(100 * HOUR);
    assert.equal(await takeDueStep(cluster, "user"), true);
    assert.equal(await takeDueStep(cluster, "user"), false);
    assert.deepEqual(await phases(cluster), ["standby", "update_clients"]);
    const [, user] = (await createAdmin(cluster).status({})).cas;
    assert.equal(user?.rotation.ending, new Date(clock.now().getTime() + 32 * HOUR).toISOString());
  });
});

test("two who take a step at once take it once", async (context) => {
  const clock = new FakeClock(START);
  const open = onDisk(context, clock);
  await open(async (cluster) => {
    await createAdmin(cluster).rotateCa({ type: "host", mode: "auto", graceSeconds: GRACE });
    for (const phase of ["update_clients", "update_servers", "standby"]) {
      clock.advance(16 * HOUR);
      const taken = await Promise.all([1, 2, 3].map(() => takeDueStep(cluster, "host")));
      assert.deepEqual(taken.sort(), [false, false, true]);
      assert.equal((await phases(cluster))[0], phase);
    }
    await cluster.audit.flush();
    const events = (await cluster.store.latestEvents(20)).map(({ event }) => event);
    const steps = events.filter(({ type }) => type === "cert_authority.rotate");
    assert.deepEqual(steps.map(({ phase, user }) => `${user} ${phase}`), [
      "local-admin init",
      "system update_clients",
      "system update_servers",
      "system standby",
    ]);
  });
});

test("the loop of an authority takes steps when they are due, and ends", async (context) => {
  const clock = new FakeClock(START);
  await onDisk(context, clock)(async (cluster) => {
    await createAdmin(cluster).rotateCa({ type: "host", mode: "auto", graceSeconds: 180 });
    const ending = new AbortController();
    const loop = keepRotating(cluster, ending.signal);
    const seen: string[] = [];
    for (let minute = 0; minute < 3; minute++) {
      await clock.step(1);
      await clock.asleep(1);
      seen.push((await phases(cluster))[0] ?? "");
    }
    assert.deepEqual(seen, ["update_clients", "update_servers", "standby"]);
    ending.abort();
    await loop;
  });
});

test("a cluster of before rotations opens as it was, and can be rotated", async (context) => {
  const clock = new FakeClock(START);
  const open = onDisk(context, clock);
  const old = await open(async ({ keys, store }) => {
    const { audit, host, sshHost, sshUser, ticket, user } = keys;
    const shape = { audit, host, sshHost, sshUser, ticket, user };
    await store.update((tx) => tx.put("ca", "keys", shape));
    return shape;
  });
  await open(async (cluster) => {
    assert.deepEqual(cluster.keys, old);
    await rotate(cluster, "host", "init");
    assert.deepEqual(await phases(cluster), ["init", "standby"]);
  });
  await open(async (cluster) => {
    assert.deepEqual(await phases(cluster), ["init", "standby"]);
    assert.equal(trustBundle(cluster).hostCas[0], old.host.certificate);
    assert.equal(trustBundle(cluster).hostCas.length, 2);
  });
});

test("calls succeed in every phase; an identity of the old CA is refused after the last", async (context) => {
  const authority = await realAuthority(context);
  const { cluster } = authority;
  await authority.addRole("dev", "kind: role\nversion: v7\nmetadata: {name: dev}\n");
  await authority.addBot("robot", ["dev"]);
  const bot = await authority.join("robot");
  const old = await authority.issue(bot);
  const oldPin = authority.pin;
  const apps = (credentials: Credentials, hostCas: readonly string[]) =>
    authority.connect(credentials, { kind: "cas", hostCas }).apps();
  let fresh = { bot, identity: old, cas: trustBundle(cluster).hostCas };
  for (const phase of ["init", "update_clients", "update_servers"] as const) {
    for (const type of CA_TYPES) await rotate(cluster, type, phase);
    // What was there before the phase is still good, and so is what it trusts.
    await apps(old, fresh.cas);
    await apps(fresh.identity, fresh.cas);
    // As tbot does: renew, then issue.
    const pair = generateKeyPair();
    const trust = { kind: "cas", hostCas: fresh.cas } as const;
    const issued = await authority.connect(fresh.bot, trust)
      .renew({ publicKey: pair.publicKey, ttl: TTL });
    const renewed = { certificate: issued.tls, key: pair.privateKey };
    const of = generateKeyPair();
    const { tls } = await authority.connect(renewed, trust)
      .issueIdentity({ publicKey: of.publicKey, ttl: TTL, reissue: true });
    fresh = {
      bot: renewed,
      identity: { certificate: tls, key: of.privateKey },
      cas: issued.trust.hostCas,
    };
    assert.equal(fresh.cas.length, 2);
    // Whoever joins meanwhile has both pins.
    const pins = fresh.cas.map(caPin);
    assert.ok(pins.includes(oldPin));
    await authority.connect(undefined, { kind: "pins", pins }).find();
  }
  for (const type of CA_TYPES) await rotate(cluster, type, "standby");
  await apps(fresh.identity, fresh.cas);
  const [newCa = ""] = trustBundle(cluster).hostCas;
  await authority.connect(undefined, { kind: "pins", pins: [caPin(newCa)] }).find();
  await assert.rejects(apps(old, fresh.cas), {
    code: "CERTIFICATE_INVALID",
    message: /no CA that the cluster trusts signed it; the user CA was rotated at /,
    hint: /^Use the identity file that tbot writes now, not a copy/,
  });
  await assert.rejects(authority.connect(undefined, { kind: "pins", pins: [oldPin] }).find(), {
    code: "CA_PIN_MISMATCH",
  });
  const oldCa = fresh.cas.find((ca) => ca !== newCa) ?? "";
  assert.ok(new X509Certificate(oldCa).ca);
  await assert.rejects(apps(fresh.identity, [oldCa]), {
    code: "TLS_UNTRUSTED",
    hint: /rotated/,
  });
});
