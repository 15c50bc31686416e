import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditLog } from "../../identity/audit/audit_log.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/mod.ts";
import type { Store } from "../../identity/storage/mod.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

function setup(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "postern-audit-"));
  context.cleanup(() => rmSync(directory, { recursive: true }));
  const store = openSqliteStore({ directory, now: () => new Date() });
  context.cleanup(() => store.close());
  const spool = join(directory, "audit.spool");
  const open = (over: Store = store, kind: "strict" | "best_effort" = "best_effort") =>
    AuditLog.open({
      cluster: "c",
      store: over,
      clock: systemClock,
      log: silentLog,
      mode: kind === "strict" ? { kind } : { kind, spool },
    });
  const stored = async () => (await store.latestEvents(100)).map(({ event }) => event["n"]);
  return { store, spool, open, stored };
}

const event = (n: number) => ({ type: "t", code: "c", n });

test("a strict log has every event in the store before append() resolves, in order", async (context) => {
  const { store, open, stored } = setup(context);
  const log = await open(store, "strict");
  await Promise.all([1, 2, 3].map((n) => log.append(event(n))));
  assert.deepEqual(await stored(), [1, 2, 3]);
  await log.close();
});

test("a best-effort log has every event in the spool before append() resolves", async (context) => {
  const { spool, open, stored } = setup(context);
  const log = await open();
  await log.append(event(1));
  await log.append(event(2));
  const lines = readFileSync(spool, "utf8").trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).n), [1, 2]);
  assert.equal(statSync(spool).mode & 0o777, 0o600);
  await log.flush();
  assert.deepEqual(await stored(), [1, 2]);
  assert.equal(readFileSync(spool, "utf8"), "");
  await log.close();
});

test("events that a killed process left in the spool are stored at the next start, once", async (context) => {
  const { spool, open, stored } = setup(context);
  const first = await open();
  await first.append(event(1));
  const left = readFileSync(spool);
  await first.close();
  // As if the process had died after the store took the event, and while it wrote another.
  appendFileSync(spool, left);
  appendFileSync(spool, JSON.stringify({ ...event(2), uid: "u2" }) + "\n" + '{"n":3,"uid":');
  await (await open()).close();
  assert.deepEqual(await stored(), [1, 2]);
});

test("events wait in the spool while the store is away, and keep their order", async (context) => {
  const { store, spool, open, stored } = setup(context);
  let away = true;
  const flaky: Store = Object.assign(Object.create(store) as Store, {
    keepEvents: (events: { uid: string }[]) =>
      away ? Promise.reject(new Error("away")) : store.keepEvents(events),
  });
  const log = await open(flaky);
  await log.append(event(1));
  await assert.rejects(log.flush(), /away/);
  await log.append(event(2));
  assert.equal(readFileSync(spool, "utf8").trim().split("\n").length, 2);
  away = false;
  await log.close();
  assert.deepEqual(await stored(), [1, 2]);
});
