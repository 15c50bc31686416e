import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { hostId, openCluster } from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { silentLog } from "../../identity/mod.ts";
import { openStore, restorePostgres } from "../../identity/storage/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres } from "../support/postgres_server.ts";

const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));

function scratch(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "postern-restore-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  return root;
}

async function withCluster<T>(
  directory: string,
  database: string | undefined,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const store = await openStore({ directory, database, now: clock.now });
  try {
    const host = await hostId(directory, store);
    const cluster = await openCluster({ store, host, clock, log: silentLog });
    const result = await work(cluster);
    await cluster.audit.close();
    return result;
  } finally {
    await store.close();
  }
}

test(
  "a cluster moves from SQLite to PostgreSQL and back by a backup, with all that it is",
  async (context) => {
    const root = scratch(context);
    const directory = join(root, "data");
    const file = join(root, "backup");
    const database = await (await sharedPostgres()).newDatabase();
    const keys = await withCluster(directory, undefined, async (cluster) => {
      const admin = createAdmin(cluster);
      for (let n = 0; n < 700; n++) {
        await cluster.store.update((tx) => tx.put("role", `r${n}`, n), { durable: false });
      }
      await admin.addBot({ name: "robot", roles: [] });
      await admin.backup({ file, force: false });
      return cluster.keys;
    });
    const restore = (force: boolean) =>
      restorePostgres({ file, directory, database, force, now: clock.now() });
    assert.deepEqual(await restore(false), { replaced: undefined, locks: 0, voidTokens: 1 });
    await assert.rejects(restore(false), { code: "ALREADY_EXISTS" });

    const second = join(root, "second");
    await withCluster(directory, database, async (cluster) => {
      assert.deepEqual(cluster.keys, keys);
      assert.equal((await cluster.store.list("role")).length, 700);
      const events = await createAdmin(cluster).auditEvents({ limit: 100 });
      assert.ok(events.some(({ code }) => code === "TB001I"), "the log has moved as well");
      await createAdmin(cluster).addLock({ bot: "robot", message: "stolen" });
      await createAdmin(cluster).backup({ file: second, force: false });
      await assert.rejects(
        restorePostgres({
          file,
          directory: join(root, "other"),
          database,
          force: true,
          now: clock.now(),
        }),
        { code: "DATA_DIR_IN_USE" },
      );
      assert.ok(!readdirSync(join(root, "other")).some((name) => /replaced/.test(name)));
    });
    // The lock is newer than the backup, and holds on.
    const { replaced, locks } = await restore(true);
    assert.equal(locks, 1);
    assert.equal(statSync(replaced!).mode & 0o777, 0o600);
    await withCluster(directory, database, (cluster) => {
      assert.equal(cluster.view.standing("robot", "x").kind, "locked");
      return Promise.resolve();
    });
    const { restoreStore } = await import("../../identity/storage/mod.ts");
    const home = join(root, "home");
    restoreStore({ file: second, directory: home, force: false, now: clock.now() });
    await withCluster(home, undefined, (cluster) => {
      assert.deepEqual(cluster.keys, keys);
      assert.equal(cluster.view.standing("robot", "x").kind, "locked");
      return Promise.resolve();
    });
  },
  { skip: NO_POSTGRES },
);

test("a data directory has one owner, also with the state elsewhere", async (context) => {
  const directory = join(scratch(context), "data");
  const database = await (await sharedPostgres()).newDatabase();
  const first = await openStore({ directory, database, now: clock.now });
  const open = () => openStore({ directory, database, now: clock.now });
  await assert.rejects(open(), { code: "DATA_DIR_IN_USE" });
  await first.close();
  await (await open()).close();
}, { skip: NO_POSTGRES });
