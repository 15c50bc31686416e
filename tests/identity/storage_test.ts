import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { sweep } from "../../identity/authority/sweep.ts";
import { IdentityError } from "../../identity/mod.ts";
import { packRecords } from "../../identity/storage/pack_records.ts";
import { openPostgresStore } from "../../identity/storage/postgres.ts";
import { openSqliteStore } from "../../identity/storage/sqlite.ts";
import type { Change, Store } from "../../identity/storage/store.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres } from "../support/postgres_server.ts";
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

const engines = [
  { engine: "SQLite", skip: false, openNew: open },
  {
    engine: "PostgreSQL",
    skip: NO_POSTGRES,
    openNew: async (context: TestContext) => {
      const server = await sharedPostgres();
      const url = await server.newDatabase();
      const store = await openPostgresStore({ url, directory: "/nowhere", now });
      context.cleanup(() => store.close());
      return store;
    },
  },
] as const;

/** Registers a promise of both engines. */
function eachEngine(
  name: string,
  body: (store: Store) => Promise<void>,
): void {
  for (const { engine, skip, openNew } of engines) {
    test(`${name} (${engine})`, async (context) => await body(await openNew(context)), { skip });
  }
}

eachEngine(
  "a store keeps what a transaction wrote, and none of it when it throws",
  async (store) => {
    await store.update((tx) => tx.put("role", "a", { x: 1 }));
    await assert.rejects(store.update(async (tx) => {
      await tx.put("role", "b", {});
      throw new Error("no");
    }));
    assert.deepEqual((await store.list("role")).map(({ name, value }) => ({ name, value })), [
      { name: "a", value: { x: 1 } },
    ]);
  },
);

eachEngine(
  "transactions run one after the other, so a compare-and-set is never lost",
  async (store) => {
    await store.update((tx) => tx.put("instance", "i", { generation: 0 }));
    await Promise.all(Array.from({ length: 50 }, () =>
      store.update(async (tx) => {
        const item = await tx.get<{ generation: number }>("instance", "i");
        await Promise.resolve();
        await tx.put("instance", "i", { generation: (item?.value.generation ?? 0) + 1 });
      })));
    assert.deepEqual((await store.get("instance", "i"))?.value, { generation: 50 });
  },
);

eachEngine(
  "revisions grow over all items, and subscribers hear of each commit once",
  async (store) => {
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
  },
);

eachEngine("an expired item does not exist", async (store) => {
  await store.update(async (tx) => {
    await tx.put("token", "old", 1, { expires: now() });
    await tx.put("token", "new", 1, { expires: new Date(now().getTime() + 1) });
  });
  assert.deepEqual((await store.list("token")).map((item) => item.name), ["new"]);
  assert.equal(await store.get("token", "old"), undefined);
});

eachEngine(
  "records keep their order, and a piece that is delivered again is kept once",
  async (store) => {
    const keep = async (writer: string, ...numbers: number[]) => {
      const records = numbers.map((seq) => ({ seq, text: JSON.stringify({ writer, seq }) }));
      const packed = await packRecords(writer, records);
      await store.update(async (tx) => {
        for (const piece of packed) await tx.keepRecords(piece);
      });
    };
    await keep("a", 1, 2);
    await keep("b", 1);
    await keep("a", 1, 2);
    await keep("a", 3, 5);
    const all = ["a1", "a2", "b1", "a3", "a5"];
    const names = (events: readonly { readonly event: Record<string, unknown> }[]) =>
      events.map(({ event }) => `${event["writer"]}${event["seq"]}`);
    for (let limit = 0; limit <= 6; limit++) {
      assert.deepEqual(
        names(await store.latestEvents(limit)),
        limit === 0 ? [] : all.slice(-limit),
      );
      const latest = await store.latestRecords(limit);
      assert.deepEqual(latest.map(({ seq }) => seq), [1, 2, 3, 4, 5].slice(5 - Math.min(limit, 5)));
    }
    assert.deepEqual(names(await store.eventsWith(['"a"', '"seq":'], 2)), ["a3", "a5"]);
    assert.deepEqual((await store.recordsAfter(1, 3)).map(({ seq }) => seq), [2, 3, 4]);
    assert.deepEqual(await store.recordsAfter(5, 3), []);
    assert.equal(await store.lastNumber("a"), 5);
    assert.equal(await store.lastNumber("c"), 0);
  },
);

eachEngine("records that are too many for one piece are all there", async (store) => {
  const texts = Array.from({ length: 20_000 }, (_, n) => `{"n":${n},"text":"\u2028é"}`);
  const packed = await packRecords("a", texts.map((text, n) => ({ seq: n + 1, text })));
  assert.ok(packed.length > 1);
  await store.update(async (tx) => {
    for (const piece of packed) await tx.keepRecords(piece);
  }, { durable: false });
  assert.deepEqual((await store.latestRecords(20_000)).map(({ text }) => text), texts);
  assert.deepEqual(
    (await store.recordsAfter(9_000, 2)).map(({ text }) => text),
    texts.slice(9_000, 9_002),
  );
});

eachEngine(
  "what ended a day ago is swept, in bounded steps and without news; what ended since is kept",
  async (store) => {
    const hour = 3_600_000;
    const ended = (hours: number) => ({ expires: new Date(now().getTime() - hours * hour) });
    await store.update(async (tx) => {
      for (let n = 0; n < 1_100; n++) await tx.put("used_id_token", `old${n}`, {}, ended(25));
      await tx.put("used_id_token", "yesterday", {}, ended(23));
      await tx.put("role", "for ever", {});
    });
    const revision = await store.revision();
    const news: Change[] = [];
    store.subscribe((changes) => news.push(...changes));
    const clock = new FakeClock(now());
    assert.equal(await sweep({ clock, store }), 1_100);
    assert.equal(await sweep({ clock, store }), 0);
    assert.deepEqual([news, await store.revision()], [[], revision]);
    assert.equal((await store.list("role")).length, 1);
    // It ended an hour before the sweep, and had not yet for a clock that is set back.
    clock.advance(2 * hour);
    assert.equal(await sweep({ clock, store }), 1);
  },
);

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
