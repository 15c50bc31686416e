import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { openCluster } from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { advance } from "../../identity/authority/renew_bot.ts";
import { silentLog } from "../../identity/mod.ts";
import { openSqliteStore, restoreStore } from "../../identity/storage/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const INSTANCE = { bot: "robot", instance: "i" };

function place(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-backup-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const directory = join(root, "data");
  const file = join(root, "backup");
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  return {
    directory,
    file,
    restore: (force = true) => restoreStore({ file, directory, force, now: clock.now() }),
    /** Runs `work` on the cluster while it is open. */
    async open<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
      const store = openSqliteStore({ directory, now: clock.now });
      try {
        const cluster = await openCluster({ store, clock, log: silentLog });
        const result = await work(cluster);
        await cluster.audit.close();
        return result;
      } finally {
        await store.close();
      }
    },
    backup: (cluster: Cluster, force = false) => createAdmin(cluster).backup({ file, force }),
    /** What comes of a renewal by a certificate of a generation. */
    renew: ({ store }: Cluster, generation: number, key: string) =>
      store.update((tx) =>
        advance(tx, { kind: "bot", ...INSTANCE, generation } as never, key, clock.now())
      ),
  };
}

async function addInstance({ store }: Cluster, generation: number): Promise<void> {
  const value = { ...INSTANCE, generation, key: "k", joined: "", renewed: "" };
  await store.update((tx) => tx.put("instance", "robot/i", value));
}

test("a backup is taken while the cluster runs, privately, and replaces nothing unasked", async (context) => {
  const { open, backup, file } = place(context);
  await open(async (cluster) => {
    const { bytes } = await backup(cluster);
    assert.equal(statSync(file).size, bytes);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const before = readFileSync(file);
    await assert.rejects(backup(cluster), { code: "ALREADY_EXISTS" });
    assert.deepEqual(readFileSync(file), before);
    await cluster.store.update((tx) => tx.put("bot", "later", {}));
    await backup(cluster, true);
    assert.notDeepEqual(readFileSync(file), before);
    const [event] = (await createAdmin(cluster).auditEvents({ limit: 1 })).map(({ code }) => code);
    assert.equal(event, "PST01I");
  });
});

test("a restored cluster is the one of the backup, with the locks of the one before and without its unused tokens", async (context) => {
  const { open, backup, restore } = place(context);
  let revision = 0;
  const keys = await open(async (cluster) => {
    const admin = createAdmin(cluster);
    await admin.addBot({ name: "robot", roles: [] });
    await cluster.store.update((tx) => tx.put("token", "spent", { used: { key: "k" } }));
    await backup(cluster);
    await admin.addBot({ name: "later", roles: [] });
    await admin.addLock({ bot: "robot", message: "stolen" });
    const locks = await cluster.store.list("lock");
    revision = locks[0]!.revision;
    return cluster.keys;
  });
  const { replaced, locks, voidTokens } = restore();
  assert.deepEqual([locks, voidTokens], [1, 1]);
  assert.ok(statSync(replaced!).size > 0);
  await open(async (cluster) => {
    assert.deepEqual(cluster.keys, keys);
    assert.deepEqual((await cluster.store.list("bot")).map(({ name }) => name), ["robot"]);
    assert.deepEqual((await cluster.store.list("token")).map(({ name }) => name), ["spent"]);
    assert.equal(cluster.view.standing("robot", "x").kind, "locked");
    const [lock] = await cluster.store.list("lock");
    assert.ok(lock!.revision > revision, "revisions go on");
    const [event] = await createAdmin(cluster).auditEvents({ limit: 1 });
    assert.equal(event?.code, "PST02W");
    assert.equal((event as { locks_kept?: number }).locks_kept, 1);
  });
  await open(async (cluster) => {
    const events = await createAdmin(cluster).auditEvents({ limit: 100 });
    assert.equal(events.filter(({ code }) => code === "PST02W").length, 1, "recorded once");
  });
});

test("after a restore a machine that is ahead goes on, and a copy of it locks both", async (context) => {
  const { open, backup, restore, renew } = place(context);
  await open(async (cluster) => {
    await addInstance(cluster, 5);
    await backup(cluster);
    await addInstance(cluster, 8);
  });
  restore();
  await open(async (cluster) => {
    assert.deepEqual(await renew(cluster, 8, "a"), { kind: "adopted", generation: 9, stored: 5 });
    // A reply that was lost is forgiven here too.
    assert.deepEqual(await renew(cluster, 8, "a"), { kind: "renewed", generation: 9 });
    assert.deepEqual(await renew(cluster, 9, "b"), { kind: "renewed", generation: 10 });
    assert.equal((await renew(cluster, 9, "c")).kind, "cloned");
  });
  restore();
  await open(async (cluster) => {
    // An old copy comes first, and the machine itself is ahead of what that got: two holders.
    assert.equal((await renew(cluster, 6, "x")).kind, "adopted");
    assert.equal((await renew(cluster, 9, "y")).kind, "cloned");
    assert.equal(cluster.view.standing("robot", "i").kind, "locked");
    assert.equal((await cluster.store.list("lock")).length, 2);
  });
});

test("a cluster is not replaced while it runs, nor unasked, nor by what is no whole backup", async (context) => {
  const { open, backup, restore, file } = place(context);
  await open(async (cluster) => {
    await backup(cluster);
    assert.throws(() => restore(), { code: "DATA_DIR_IN_USE" });
  });
  assert.throws(() => restore(false), { code: "ALREADY_EXISTS" });
  const whole = readFileSync(file);
  const database = new DatabaseSync(file);
  database.exec("PRAGMA user_version = 999");
  database.close();
  assert.throws(() => restore(), { code: "STORE_INVALID", message: /schema 999 is newer/ });
  writeFileSync(file, whole);
  truncateSync(file, whole.length - 4096);
  assert.throws(() => restore(), { code: "STORE_INVALID" });
  writeFileSync(file, "no database at all, but long enough to be looked at".repeat(100));
  assert.throws(() => restore(), { code: "STORE_INVALID" });
  rmSync(file);
  assert.throws(() => restore(), { code: "STORE_INVALID" });
  await open((cluster) => Promise.resolve(assert.ok(cluster.keys)));
});

test("a damaged database can be replaced, and it is said that its locks are lost", async (context) => {
  const { open, backup, restore, directory } = place(context);
  await open((cluster) => backup(cluster));
  writeFileSync(join(directory, "cluster.sqlite"), "x".repeat(8192));
  assert.equal(restore().locks, undefined);
  await open((cluster) => Promise.resolve(assert.ok(cluster.keys)));
});
