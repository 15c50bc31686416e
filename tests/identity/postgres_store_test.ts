// Several authorities on one PostgreSQL, and a database that goes away; what both engines promise
// is in storage_test.ts.
import assert from "node:assert/strict";
import postgres from "postgres";
import { openPostgresStore } from "../../identity/storage/postgres.ts";
import type { PostgresOptions } from "../../identity/storage/postgres.ts";
import type { Change, Store } from "../../identity/storage/store.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres, startPostgres } from "../support/postgres_server.ts";

const now = () => new Date("2026-11-23T12:00:00Z");
/** Nothing is written there unless a schema changes. */
const directory = "/nowhere";
const key = new Uint8Array(32).fill(7);
const onPostgres = { skip: NO_POSTGRES };

async function open(
  context: TestContext,
  url: string,
  options: Partial<PostgresOptions> = {},
): Promise<Store> {
  const store = await openPostgresStore({ url, directory, now, ...options });
  context.cleanup(() => store.close());
  return store;
}

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

/** What a store has been told, and how to wait until that is so. */
function listenTo(store: Store) {
  const heard: Change[] = [];
  const waiting = new Set<() => void>();
  store.subscribe((changes) => {
    heard.push(...changes);
    for (const check of waiting) check();
  });
  const until = (done: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!done()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { heard, until };
}

test("two authorities that start on an empty database at once have one state", async (context) => {
  const url = await (await sharedPostgres()).newDatabase();
  const stores = await Promise.all([open(context, url), open(context, url), open(context, url)]);
  const ids = await Promise.all(stores.map((store, index) =>
    store.update(async (tx) => {
      const there = await tx.get<number>("settings", "cluster");
      if (there) return there.value;
      await tx.put("settings", "cluster", index);
      return index;
    })
  ));
  assert.equal(new Set(ids).size, 1);
}, onPostgres);

test("a compare-and-set holds over authorities", async (context) => {
  const url = await (await sharedPostgres()).newDatabase();
  const stores = [await open(context, url), await open(context, url)];
  const advance = (store: Store) =>
    store.update(async (tx) => {
      const item = await tx.get<number>("instance", "i");
      await tx.put("instance", "i", (item?.value ?? 0) + 1);
    });
  await Promise.all(Array.from({ length: 40 }, (_, n) => advance(stores[n % 2]!)));
  for (const store of stores) {
    const item = await store.get<number>("instance", "i");
    assert.deepEqual([item?.value, item?.revision], [40, 40]);
  }
}, onPostgres);

test(
  "each authority hears of the others' commits, in order and of deletions too, and of its own before it goes on",
  async (context) => {
    const url = await (await sharedPostgres()).newDatabase();
    const [a, b] = [await open(context, url), await open(context, url)];
    const atA = listenTo(a);
    const atB = listenTo(b);
    for (let n = 1; n <= 10; n++) {
      await a.update((tx) => tx.put("role", `a${n}`, n));
      assert.deepEqual(
        atA.heard.at(-1)?.name,
        `a${n}`,
        "its own commit is told before it resolves",
      );
      await b.update((tx) => tx.put("role", `b${n}`, n));
      assert.deepEqual(
        atB.heard.at(-1)?.name,
        `b${n}`,
        "its own commit is told before it resolves",
      );
    }
    await a.update((tx) => tx.delete("role", "b1"));
    const last = (change: Change | undefined) => change?.name === "b1" && change.item === undefined;
    await Promise.all([atA, atB].map(({ heard, until }) => until(() => last(heard.at(-1)))));
    for (const { heard } of [atA, atB]) {
      const revisions = heard.flatMap(({ item }) => item ? [item.revision] : []);
      assert.deepEqual(revisions, [...revisions].sort((x, y) => x - y));
      assert.deepEqual(new Set(revisions).size, 20, "each is told");
    }
  },
  onPostgres,
);

test(
  "while the database is away calls fail in time, and what was missed is told once it is back",
  async (context) => {
    const server = await startPostgres();
    const url = await server.newDatabase();
    const patienceMs = 300;
    const [a, b] = [
      await open(context, url, { patienceMs }),
      await open(context, url, { patienceMs }),
    ];
    await a.update(async (tx) => {
      await tx.put("lock", "gone", 1);
      await tx.put("role", "kept", 1);
    });
    const atB = listenTo(b);
    server.stop();
    for (const store of [a, b]) {
      await assert.rejects(store.get("role", "kept"), { code: "UNAVAILABLE" });
      await assert.rejects(store.update((tx) => tx.put("role", "lost", 1)), {
        code: "UNAVAILABLE",
      });
    }
    server.start();
    await a.update(async (tx) => {
      await tx.delete("lock", "gone");
      await tx.put("role", "new", 2);
    });
    await atB.until(() => atB.heard.some(({ name }) => name === "new"));
    assert.ok(
      atB.heard.some(({ kind, name, item }) =>
        kind === "lock" && name === "gone" && item === undefined
      ),
    );
    assert.equal(await b.get("role", "lost"), undefined);
    assert.equal((await b.get("role", "kept"))?.value, 1);
  },
  onPostgres,
);

test("a connection that the database ends is no failure of the next call", async (context) => {
  const url = await (await sharedPostgres()).newDatabase();
  const [a, b] = [await open(context, url), await open(context, url)];
  const atB = listenTo(b);
  for (let round = 1; round <= 3; round++) {
    await query(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    await a.update((tx) => tx.put("role", `r${round}`, round));
    await atB.until(() => atB.heard.some(({ name }) => name === `r${round}`));
    assert.equal((await b.get("role", `r${round}`))?.value, round);
  }
}, onPostgres);

test(
  "a connection that ends within a transaction leaves nothing of it, and what it still wants to write is refused",
  async (context) => {
    const url = await (await sharedPostgres()).newDatabase();
    const store = await open(context, url);
    const late = Promise.withResolvers<unknown>();
    await assert.rejects(
      store.update(async (tx) => {
        await tx.put("role", "half", 1);
        await query(
          url,
          "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity " +
            "WHERE datname = current_database() AND state = 'idle in transaction'",
        );
        await tx.put("role", "late", 1).then(late.resolve, late.reject);
      }),
      { code: "UNAVAILABLE" },
    );
    await assert.rejects(late.promise);
    await store.update((tx) => tx.put("role", "whole", 1));
    assert.deepEqual((await store.list("role")).map(({ name }) => name), ["whole"]);
  },
  onPostgres,
);

test(
  "private keys are sealed in PostgreSQL as well, also those from before there was a key",
  async (context) => {
    const url = await (await sharedPostgres()).newDatabase();
    const plain = await openPostgresStore({ url, directory, now });
    await plain.update((tx) => tx.put("ca", "keys", { secret: "hunter2" }));
    await plain.close();
    const store = await open(context, url, { sealing: { key } });
    assert.deepEqual((await store.get("ca", "keys"))?.value, { secret: "hunter2" });
    const [row] = await query(url, "SELECT value FROM postern.items WHERE kind = 'ca'");
    assert.match(String(row?.["value"]), /^sealed:v1:/);
    await assert.rejects(openPostgresStore({ url, directory, now }), { code: "STORE_SEALED" });
  },
  onPostgres,
);

test(
  "a database of a newer schema, and one that has gone back, are refused and left alone",
  async (context) => {
    const url = await (await sharedPostgres()).newDatabase();
    const store = await open(context, url);
    await store.update((tx) => tx.put("role", "a", 1));
    await store.update((tx) => tx.put("role", "a", 2));
    await query(url, "UPDATE postern.counter SET revision = 1");
    await assert.rejects(store.update((tx) => tx.put("role", "a", 3)), {
      code: "STORE_INVALID",
      message: /gone back/,
    });
    await query(url, "UPDATE postern.counter SET schema = 99");
    await assert.rejects(openPostgresStore({ url, directory, now }), {
      code: "STORE_INVALID",
      message: /schema 99 is newer/,
    });
    await assert.rejects(store.update((tx) => tx.put("role", "a", 3)), {
      code: "STORE_INVALID",
      message: /any more: its schema 99 is newer/,
    });
    assert.equal((await store.get("role", "a"))?.value, 2);
  },
  onPostgres,
);

test("no error tells the password or what was to be written", async () => {
  const server = await sharedPostgres();
  const url = `postgresql://nobody:hunter2@127.0.0.1:${server.port}/nowhere`;
  await assert.rejects(
    openPostgresStore({ url, directory, now, patienceMs: 300 }),
    (error: Error) => {
      const story = `${error.stack} ${JSON.stringify(error)} ${(error.cause as Error).stack}`;
      assert.match(story, /127\.0\.0\.1:[0-9]+\/nowhere/);
      assert.doesNotMatch(story, /hunter2/);
      return true;
    },
  );
}, onPostgres);

test(
  "a database is spoken to over TLS, and has to prove that it is the one that is meant",
  async (context) => {
    const server = await startPostgres({ tls: true });
    const plain = await server.newDatabase();
    const at = (host: string, options: string) =>
      `${plain.replace("127.0.0.1", host)}?sslmode=${options}`;
    const trusting = `&sslrootcert=${server.certificate}`;
    const store = await open(context, at("localhost", `verify-full${trusting}`));
    await store.update((tx) => tx.put("role", "a", 1));
    assert.equal((await store.get("role", "a"))?.value, 1);
    const rows = await query(
      plain,
      "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) " +
        "WHERE application_name = 'postern'",
    );
    assert.deepEqual([...new Set(rows.map(({ ssl }) => ssl))], [true]);
    const patienceMs = 300;
    for (const url of [at("localhost", "verify-full"), at("127.0.0.1", `verify-full${trusting}`)]) {
      await assert.rejects(
        openPostgresStore({ url, directory, now, patienceMs }),
        { code: "UNAVAILABLE" },
        url,
      );
    }
    await (await openPostgresStore({ url: at("127.0.0.1", "require"), directory, now })).close();
    const inTheClear = await (await sharedPostgres()).newDatabase();
    const url = `${inTheClear}?sslmode=require`;
    await assert.rejects(openPostgresStore({ url, directory, now, patienceMs }), {
      code: "UNAVAILABLE",
    });
  },
  onPostgres,
);
