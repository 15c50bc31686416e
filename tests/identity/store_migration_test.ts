// Stores that an earlier version has made: they go on as they are, and are kept beside first.
import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import postgres from "postgres";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { openCluster } from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { type Log, silentLog } from "../../identity/mod.ts";
import { openStore, restoreStore } from "../../identity/storage/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres } from "../support/postgres_server.ts";

const TABLES_2 = readFileSync(new URL("../fixtures/store_schema_2.sql", import.meta.url), "utf8");
const clock = new FakeClock(new Date("2026-11-24T12:00:00Z"));

interface Place {
  readonly directory: string;
  readonly database?: string | undefined;
}

function scratch(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "postern-migration-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  return join(root, "data");
}

/** Runs `work` on the cluster of a place while it is open; tells what was logged meanwhile. */
async function open<T>(place: Place, work: (cluster: Cluster) => Promise<T>) {
  const said: string[] = [];
  const note = (message: string) => void said.push(message);
  const log: Log = { ...silentLog, info: note, error: note };
  const store = await openStore({ ...place, now: clock.now, log });
  try {
    const cluster = await openCluster({ store, clock, log: silentLog });
    const result = await work(cluster);
    await cluster.audit.close();
    return { result, said };
  } finally {
    await store.close();
  }
}

/** A cluster with something of each kind that a store treats by itself. */
async function fill(cluster: Cluster) {
  const admin = createAdmin(cluster);
  await admin.addBot({ name: "robot", roles: [] });
  await admin.addLock({ bot: "robot", message: "stolen", ttl: 3600 });
  return await state(cluster);
}

async function state({ keys, store }: Cluster) {
  const kinds = ["bot", "role", "lock", "token", "settings"] as const;
  const items = await Promise.all(kinds.map((kind) => store.list(kind)));
  const records = (await store.latestRecords(1000)).map(({ text }) => text);
  return { keys, items: items.flat(), revision: await store.revision(), records };
}

/** Puts the state of a data directory into tables as schema 2 had them. */
function makeOld({ directory }: Place): void {
  const file = join(directory, "cluster.sqlite");
  const old = new DatabaseSync(`${file}.old`);
  old.exec(TABLES_2);
  old.prepare("ATTACH ? AS new").run(file);
  for (const table of ["items", "counter", "records"]) {
    old.exec(`INSERT INTO ${table} SELECT * FROM new.${table}`);
  }
  old.exec("DETACH new");
  old.close();
  renameSync(`${file}.old`, file);
}

function schemaOf(file: string): unknown {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare("PRAGMA user_version").get()?.["user_version"];
  } finally {
    database.close();
  }
}

const keptIn = (directory: string) =>
  readdirSync(directory).filter((name) => name.includes(".schema-"));

test("a SQLite store of schema 2 goes on with all that is in it, and is kept as it was", async (context) => {
  const directory = scratch(context);
  mkdirSync(directory);
  const { result: before } = await open({ directory }, fill);
  makeOld({ directory });
  assert.equal(schemaOf(join(directory, "cluster.sqlite")), 2);
  const { result: after, said } = await open({ directory }, state);
  assert.deepEqual(after, before);
  assert.deepEqual(said, ["The store was led to a newer schema"]);
  const [kept, ...others] = keptIn(directory);
  assert.deepEqual(others, []);
  assert.equal(schemaOf(join(directory, kept!)), 2);
  assert.equal(statSync(join(directory, kept!)).mode & 0o777, 0o600);
  assert.deepEqual((await open({ directory }, state)).said, [], "once");
  // What was kept is a backup of an earlier version.
  restoreStore({ file: join(directory, kept!), directory, force: true, now: clock.now() });
  const { result: restored } = await open({ directory }, state);
  assert.deepEqual(restored.keys, before.keys);
});

test("a step that cannot be taken leaves a SQLite store as it was", async (context) => {
  const directory = scratch(context);
  mkdirSync(directory);
  await open({ directory }, fill);
  makeOld({ directory });
  const file = join(directory, "cluster.sqlite");
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE items_by_end (in_the_way)");
  database.close();
  await assert.rejects(open({ directory }, state), { code: "STORE_INVALID" });
  assert.equal(schemaOf(file), 2);
});

test(
  "a PostgreSQL store of schema 1 is led on by one of two authorities that start at once",
  async (context) => {
    const database = await (await sharedPostgres()).newDatabase();
    const places = [scratch(context), scratch(context)].map((directory) => ({
      directory,
      database,
    }));
    const { result: before } = await open(places[0]!, fill);
    const sql = postgres(database, { max: 1, onnotice: () => {} });
    await sql.unsafe("DROP INDEX postern.items_by_end; UPDATE postern.counter SET schema = 1");
    const opened = await Promise.all(places.map((place) => open(place, state)));
    assert.deepEqual(opened[0]!.result, before);
    assert.deepEqual(opened[1]!.result, before);
    assert.deepEqual(opened.flatMap(({ said }) => said), ["The store was led to a newer schema"]);
    assert.deepEqual(places.flatMap(({ directory }) => keptIn(directory)).length, 1);
    const [row] = await sql.unsafe("SELECT schema FROM postern.counter");
    assert.equal(row?.["schema"], 2);
    await sql.end();
  },
  { skip: NO_POSTGRES },
);
