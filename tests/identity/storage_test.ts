import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { IdentityError } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import type { Change, Store } from "../../identity/storage/store.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const now = () => new Date("2026-11-23T12:00:00Z");

function scratch(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-store-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}

function open(context: TestContext, directory = join(scratch(context), "data")): Store {
  const store = openSqliteStore({ directory, now });
  context.cleanup(() => store.close());
  return store;
}

test("a store keeps what a transaction wrote, and none of it when it throws", async (context) => {
  const store = open(context);
  await store.update((tx) => tx.put("role", "a", { x: 1 }));
  await assert.rejects(store.update(async (tx) => {
    await tx.put("role", "b", {});
    throw new Error("no");
  }));
  assert.deepEqual((await store.list("role")).map(({ name, value }) => ({ name, value })), [
    { name: "a", value: { x: 1 } },
  ]);
});

test("transactions run one after the other, so a compare-and-set is never lost", async (context) => {
  const store = open(context);
  await store.update((tx) => tx.put("instance", "i", { generation: 0 }));
  await Promise.all(Array.from({ length: 50 }, () =>
    store.update(async (tx) => {
      const item = await tx.get<{ generation: number }>("instance", "i");
      await Promise.resolve();
      await tx.put("instance", "i", { generation: (item?.value.generation ?? 0) + 1 });
    })));
  assert.deepEqual((await store.get("instance", "i"))?.value, { generation: 50 });
});

test("revisions grow over all items, and subscribers hear of each commit once", async (context) => {
  const store = open(context);
  const heard: Change[][] = [];
  const stop = store.subscribe((changes) => heard.push([...changes]));
  await store.update((tx) => tx.put("role", "a", 1));
  await store.update((tx) => tx.put("bot", "b", 1));
  stop();
  await store.update((tx) => tx.delete("bot", "b"));
  const role = await store.get("role", "a");
  assert.equal(role?.revision, 1);
  assert.deepEqual(
    heard.map((changes) => changes.map(({ kind, name, item }) => [kind, name, item?.value])),
    [[["role", "a", 1]], [["bot", "b", 1]]],
  );
});

test("an expired item does not exist", async (context) => {
  const store = open(context);
  await store.update(async (tx) => {
    await tx.put("token", "old", 1, { expires: now() });
    await tx.put("token", "new", 1, { expires: new Date(now().getTime() + 1) });
  });
  assert.deepEqual((await store.list("token")).map((item) => item.name), ["new"]);
  assert.equal(await store.get("token", "old"), undefined);
});

test("events keep their order, and one that is delivered again is kept once", async (context) => {
  const store = open(context);
  await store.keepEvents([{ uid: "1", text: "{}" }, { uid: "2", text: "{}" }]);
  await store.keepEvents([{ uid: "2", text: "{}" }, { uid: "3", text: "{}" }]);
  assert.deepEqual((await store.latestEvents(2)).map((event) => event.uid), ["2", "3"]);
});

test("a data directory is private and survives a restart", async (context) => {
  const directory = join(scratch(context), "data");
  const first = openSqliteStore({ directory, now });
  await first.update((tx) => tx.put("role", "a", 1));
  await first.close();
  const second = open(context, directory);
  assert.equal((await second.get("role", "a"))?.value, 1);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, "cluster.sqlite")).mode & 0o777, 0o600);
});

test("a second process is turned away from a data directory in use", (context) => {
  const directory = join(scratch(context), "data");
  open(context, directory);
  const module = new URL("../../identity/storage/sqlite.ts", import.meta.url).href;
  const script = `const { openSqliteStore } = await import(${JSON.stringify(module)});
    try { openSqliteStore({ directory: ${JSON.stringify(directory)}, now: () => new Date() }); }
    catch (error) { console.log(error.code); }`;
  const args = "Bun" in globalThis ? ["-e", script] : ["eval", script];
  const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stdout.trim(), "DATA_DIR_IN_USE");
});

test("a data directory that cannot be made is refused with its path and the reason", (context) => {
  const file = join(scratch(context), "file");
  writeFileSync(file, "");
  assert.throws(() => openSqliteStore({ directory: join(file, "data"), now }), (error: unknown) => {
    assert.ok(error instanceof IdentityError);
    assert.equal(error.code, "STORE_INVALID");
    assert.match(error.message, /file\/data: .*(ENOTDIR|not a directory)/i);
    return true;
  });
});
