import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AuditLog,
  type AuditLogOptions,
  type AuditMode,
  type Shipper,
} from "../../identity/audit/mod.ts";
import { headsIn, storeShipper } from "../../identity/audit/store_shipper.ts";
import { verifyRecords } from "../../identity/audit/verify.ts";
import { createSigningKey } from "../../identity/keys.ts";
import { type Log, silentLog, systemClock } from "../../identity/mod.ts";
import { openSqliteStore, packRecords } from "../../identity/storage/mod.ts";
import type { PackedRecords, Store } from "../../identity/storage/store.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

function setup(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "postern-audit-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const store = openSqliteStore({ directory, now: () => new Date() });
  context.cleanup(() => store.close());
  const spool = join(directory, "audit.spool");
  const { privateKey, publicKey } = createSigningKey();
  const shipper = storeShipper({ store, clock: systemClock, privateKey });
  const warnings: string[] = [];
  const log: Log = { ...silentLog, error: (message) => void warnings.push(message) };
  const open = (
    mode: AuditMode = "best_effort",
    over: Partial<Pick<AuditLogOptions, "shipper" | "spool" | "spoolLimit" | "queueLimit">> = {},
  ) => AuditLog.open({ cluster: "c", clock: systemClock, log, mode, spool, shipper, ...over });
  const stored = async () => (await store.latestEvents(100)).map(({ event }) => event["n"]);
  const verify = async () =>
    await verifyRecords((await store.latestRecords(100_000)).map(({ text }) => text), {
      heads: [...(await headsIn(store)).values()],
      publicKey,
    });
  return { directory, store, spool, shipper, open, stored, verify, warnings };
}

/** The first record of a store, as another may have it. */
async function firstRecord(store: Store): Promise<PackedRecords> {
  const [record] = await store.recordsAfter(0, 1);
  const { writer, seq } = JSON.parse(record!.text).chain;
  return (await packRecords(writer, [{ seq, text: record!.text }]))[0]!;
}

const event = (n: number) => ({ type: "bot.join", code: "TJ001I", n }) as const;
const numbers = (spool: string) =>
  readFileSync(spool, "utf8").split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line).n
  );

test("a record has no raw character that deceives who reads it, and says the same", async (context) => {
  const { spool, open, stored, verify } = setup(context);
  const log = await open();
  const tool = "é \u009b \u202e \u200b \u{e0041} \ud800 \u2028";
  await log.append({ ...event(1), tool });
  const text = readFileSync(spool, "utf8");
  assert.doesNotMatch(text, /[\u007f-\u009f\u2028\u2029]|\p{Cf}/u);
  assert.equal(JSON.parse(text).tool, tool);
  await log.close();
  assert.deepEqual(await stored(), [1]);
  assert.deepEqual((await verify()).breaks, []);
});

for (const mode of ["strict", "best_effort"] as const) {
  test(`a ${mode} log has every record in the spool before append() resolves, in order`, async (context) => {
    const { spool, open, stored, verify } = setup(context);
    const log = await open(mode);
    await log.append(event(1));
    await Promise.all([2, 3].map((n) => log.append(event(n))));
    assert.deepEqual(numbers(spool), [1, 2, 3]);
    assert.equal(statSync(spool).mode & 0o777, 0o600);
    await log.flush();
    assert.deepEqual(await stored(), [1, 2, 3]);
    assert.equal(readFileSync(spool, "utf8"), "");
    await log.close();
    const { breaks, chains } = await verify();
    assert.deepEqual(breaks, []);
    assert.deepEqual(chains.map(({ records, signedTo }) => [records, signedTo]), [[3, 3]]);
  });
}

test("a log without a spool has every record in the store before append() resolves", async (context) => {
  const { shipper, stored } = setup(context);
  const log = await AuditLog.open({
    cluster: "c",
    clock: systemClock,
    log: silentLog,
    mode: "strict",
    shipper,
  });
  await Promise.all([1, 2, 3].map((n) => log.append(event(n))));
  assert.deepEqual(await stored(), [1, 2, 3]);
  await log.close();
});

test("records that a killed process left in the spool are stored at the next start, once, and the chain goes on", async (context) => {
  const { spool, open, stored, verify } = setup(context);
  const first = await open();
  await first.append(event(1));
  await first.append(event(2));
  const left = readFileSync(spool);
  await first.close();
  // As if the process had died after the store took the records, and while it wrote another.
  appendFileSync(spool, left);
  appendFileSync(spool, '{"n":3,"uid":');
  const second = await open();
  await second.append(event(4));
  await second.close();
  assert.deepEqual(await stored(), [1, 2, 4]);
  assert.deepEqual((await verify()).breaks, []);
});

test("a record written behind one that was cut short survives the next kill too", async (context) => {
  const { shipper, spool, open, stored, verify } = setup(context);
  writeFileSync(spool, '{"n":0,"uid":');
  const away: Shipper = {
    head: () => shipper.head(),
    ship: () => Promise.reject(new Error("away")),
  };
  const killed = await open("best_effort", { shipper: away });
  await killed.append(event(1));
  await assert.rejects(killed.close(), /away/);
  await (await open()).close();
  assert.deepEqual(await stored(), [1]);
  assert.deepEqual((await verify()).breaks, []);
});

test("a gap in the store in front of records that wait in the spool is found out", async (context) => {
  const { store, directory, shipper, spool, open, warnings } = setup(context);
  const log = await open();
  for (const n of [1, 2]) await log.append(event(n));
  await log.flush();
  await log.append(event(3));
  const left = readFileSync(spool);
  await log.close();
  writeFileSync(spool, left);
  const backup = openSqliteStore({ directory: join(directory, "backup"), now: () => new Date() });
  context.cleanup(() => backup.close());
  await backup.update(async (tx) => {
    await tx.keepRecords(await firstRecord(store));
    await tx.put("settings", "audit", (await store.get("settings", "audit"))!.value);
  });
  const { privateKey } = createSigningKey();
  const restored = storeShipper({ store: backup, clock: systemClock, privateKey });
  assert.equal((await shipper.head()).seq, 3);
  await (await open("best_effort", { shipper: restored })).close();
  assert.deepEqual(warnings, ["Audit records are missing from the store"]);
  const events = (await backup.latestEvents(10)).map(({ event }) => event);
  assert.deepEqual(events.map(({ n, missing }) => n ?? missing), [1, 3, { from: 2, to: 2 }]);
});

test("records wait in the spool while the store is away, and keep their order", async (context) => {
  const { shipper, spool, open, stored, verify } = setup(context);
  let away = true;
  const flaky: Shipper = {
    head: () => shipper.head(),
    ship: (...given) => away ? Promise.reject(new Error("away")) : shipper.ship(...given),
  };
  const log = await open("best_effort", { shipper: flaky });
  await log.append(event(1));
  await assert.rejects(log.flush(), /away/);
  await log.append(event(2));
  assert.deepEqual(numbers(spool), [1, 2]);
  away = false;
  await log.close();
  assert.deepEqual(await stored(), [1, 2]);
  assert.deepEqual((await verify()).breaks, []);
});

for (const mode of ["strict", "best_effort"] as const) {
  test(`a spool at its limit is to a ${mode} log as one that cannot be written`, async (context) => {
    const { shipper, spool, open, stored, verify } = setup(context);
    let away = true;
    const flaky: Shipper = {
      head: () => shipper.head(),
      ship: (...given) => away ? Promise.reject(new Error("away")) : shipper.ship(...given),
    };
    const log = await open(mode, { shipper: flaky, spoolLimit: 2000 });
    const taken: number[] = [];
    let refused: unknown;
    for (let n = 1; n <= 20 && refused === undefined && log.figures.unspooled === 0; n++) {
      await log.append(event(n)).then(() => void taken.push(n), (error) => void (refused = error));
    }
    assert.ok(taken.length >= 3 && taken.length < 20, `${taken.length}`);
    assert.ok(statSync(spool).size <= 2000);
    assert.equal(
      (refused as { code?: string })?.code,
      mode === "strict" ? "SPOOL_FULL" : undefined,
    );
    away = false;
    await log.close();
    assert.deepEqual(await stored(), taken);
    assert.deepEqual((await verify()).breaks, []);
  });
}

const full = existsSync("/dev/full") ? false : "there is no /dev/full";

test(
  "a strict log refuses what a full disk does not take, and nothing of it happened",
  async (context) => {
    const { directory, open, stored, verify } = setup(context);
    const log = await open();
    await log.append(event(1));
    await log.close();
    symlinkSync("/dev/full", join(directory, "full"));
    const strict = await open("strict", { spool: join(directory, "full") });
    await assert.rejects(strict.append(event(2)), {
      code: "AUDIT_UNAVAILABLE",
      message: "The audit spool cannot be written: ENOSPC",
    });
    await strict.close().catch(() => {});
    const again = await open("strict");
    await again.append(event(3));
    await again.close();
    assert.deepEqual(await stored(), [1, 3]);
    assert.deepEqual((await verify()).breaks, []);
  },
  { skip: full },
);

test(
  "a best-effort log goes on when the disk is full, warns, counts, and keeps the chain",
  async (context) => {
    const { directory, open, stored, verify, warnings } = setup(context);
    symlinkSync("/dev/full", join(directory, "full"));
    const log = await open("best_effort", { spool: join(directory, "full") });
    await log.append(event(1));
    await log.append(event(2));
    assert.deepEqual(log.figures, { unspooled: 2, lost: 0, refused: 0, waiting: 2 });
    assert.deepEqual(warnings, ["Cannot write the audit spool"]);
    await log.flush();
    assert.deepEqual(await stored(), [1, 2]);
    assert.deepEqual((await verify()).breaks, []);
    await log.close().catch(() => {});
  },
  { skip: full },
);

test("a store that is older than what it has acknowledged is found out, and the gap is recorded", async (context) => {
  const { store, directory, open, verify, warnings } = setup(context);
  const log = await open();
  for (const n of [1, 2, 3]) await log.append(event(n));
  await log.close();
  // Another store of the same cluster, as it was after the first event.
  const backup = openSqliteStore({ directory: join(directory, "backup"), now: () => new Date() });
  context.cleanup(() => backup.close());
  await backup.update(async (tx) => {
    await tx.keepRecords(await firstRecord(store));
    const { value } = (await store.get("settings", "audit"))!;
    await tx.put("settings", "audit", value);
  });
  const { privateKey } = createSigningKey();
  const restored = await open("best_effort", {
    shipper: storeShipper({ store: backup, clock: systemClock, privateKey }),
  });
  await restored.append(event(4));
  await restored.close();
  assert.deepEqual(warnings, ["Audit records are missing from the store"]);
  const events = (await backup.latestEvents(10)).map(({ event }) => event);
  assert.deepEqual(events.map(({ type }) => type), ["bot.join", "audit.gap", "bot.join"]);
  assert.deepEqual(events[1]?.["missing"], { from: 2, to: 3 });
  const { breaks } = await verifyRecords((await backup.latestRecords(10)).map(({ text }) => text), {
    heads: [],
    publicKey: undefined,
  });
  assert.deepEqual(breaks.map(({ kind, record }) => [kind, record]), [["removed", 2]]);
  assert.deepEqual((await verify()).breaks, []);
});

test("a failed record leaves no hole that events of the same turn fall into", async (context) => {
  const { directory, open } = setup(context);
  symlinkSync("/dev/full", join(directory, "full"));
  const strict = await open("strict", { spool: join(directory, "full") });
  const results = await Promise.allSettled([1, 2, 3].map((n) => strict.append(event(n))));
  assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected", "rejected"]);
  await strict.close().catch(() => {});
}, { skip: full });

test("a full spool costs no record that is in it, however many wait", async (context) => {
  const { shipper, open, store, verify } = setup(context);
  let away = true;
  const flaky: Shipper = {
    head: () => shipper.head(),
    ship: (...args) => away ? Promise.reject(new Error("away")) : shipper.ship(...args),
  };
  const log = await open("best_effort", { shipper: flaky, spoolLimit: 4 * 1024 * 1024 });
  let appended = 0;
  while (log.figures.unspooled === 0) {
    await Promise.all(Array.from({ length: 500 }, () => log.append(event(++appended))));
  }
  assert.ok(appended > 10_500, "more wait than memory alone may hold");
  assert.equal(log.figures.lost, 0);
  away = false;
  await log.close();
  assert.equal((await store.latestRecords(appended + 1)).length, appended);
  assert.deepEqual((await verify()).breaks, []);
});

test("records in memory alone are lost beyond their limit, the oldest first, and counted", async (context) => {
  const { directory, shipper, open, store, warnings } = setup(context);
  let away = true;
  const flaky: Shipper = {
    head: () => shipper.head(),
    ship: (...args) => away ? Promise.reject(new Error("away")) : shipper.ship(...args),
  };
  const log = await open("best_effort", {
    shipper: flaky,
    spool: join(directory, "small.spool"),
    spoolLimit: 1000,
  });
  await log.append(event(0));
  assert.equal(log.figures.unspooled, 0);
  await Promise.all(Array.from({ length: 10_003 }, (_, n) => log.append(event(n + 1))));
  // One more waits: it is in the file.
  assert.deepEqual(log.figures, { unspooled: 10_003, lost: 3, refused: 0, waiting: 10_001 });
  assert.ok(warnings.includes("Audit records are lost"));
  away = false;
  await log.close();
  const stored = (await store.latestRecords(20_000)).map(({ text }) =>
    JSON.parse(text).n as number
  );
  const sorted = stored.sort((a, b) => a - b);
  assert.deepEqual([sorted.length, ...sorted.slice(0, 3)], [10_001, 0, 4, 5]);
});

test("a strict log without a spool takes no more than may wait, and says by which limit", async (context) => {
  const { shipper, open, stored, verify } = setup(context);
  let away = true;
  const flaky: Shipper = {
    head: () => shipper.head(),
    ship: (...args) => away ? Promise.reject(new Error("away")) : shipper.ship(...args),
  };
  const log = await open("strict", { shipper: flaky, spool: undefined, queueLimit: 3 });
  for (const n of [1, 2, 3]) await assert.rejects(log.append(event(n)), /away/);
  for (const n of [4, 5]) {
    await assert.rejects(log.append(event(n)), {
      code: "AUDIT_QUEUE_FULL",
      message: "The limit audit.queue_limit is reached: 3 records wait for the store",
    });
  }
  assert.deepEqual(log.figures, { unspooled: 0, lost: 0, refused: 2, waiting: 3 });
  away = false;
  // It tries again by itself.
  while (log.figures.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await log.append(event(6));
  await log.close();
  assert.deepEqual(await stored(), [1, 2, 3, 6]);
  assert.deepEqual((await verify()).breaks, []);
  assert.equal(log.figures.waiting, 0);
});

test("the records of a delivery that is under way count as waiting", async (context) => {
  const { shipper, open } = setup(context);
  const arrived = Promise.withResolvers<void>();
  const slow: Shipper = {
    head: () => shipper.head(),
    ship: async (...args) => {
      await arrived.promise;
      return await shipper.ship(...args);
    },
  };
  const log = await open("strict", { shipper: slow, spool: undefined, queueLimit: 1 });
  const first = log.append(event(1));
  const flushed = log.flush();
  await assert.rejects(log.append(event(2)), { code: "AUDIT_QUEUE_FULL" });
  assert.equal(log.figures.waiting, 1);
  arrived.resolve();
  await Promise.all([first, flushed]);
  await log.append(event(3));
  await log.close();
});
