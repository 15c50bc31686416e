// What an audit event costs on the thread that answers: `bun tools/bench/audit.ts [rounds]`.
// Events come in turns of the loop, as many in each as requests that arrive together.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { AuditLog, type AuditMode } from "../../identity/audit/mod.ts";
import { storeShipper } from "../../identity/audit/store_shipper.ts";
import { createSigningKey } from "../../identity/keys.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/mod.ts";

const EVENTS = 20_000;
const rounds = Number(process.argv[2] ?? 7);

/** Like the event of a request. */
const draft = {
  type: "mcp.session.request",
  code: "TMCP003I",
  sid: "0f9c1a52-6a1c-4b7e-9a5e-6d1f6f0f7b11",
  user: "bot-example",
  user_kind: 2,
  user_roles: ["example-role"],
  bot_name: "example",
  bot_instance_id: "cd".repeat(16),
  app_name: "my-mcp-server",
  app_uri: "mcp+stdio://my-mcp-server",
  from: "client",
  decision: {
    effect: "allow",
    by: { role: "example-role", path: "spec.allow.mcp.tools[0]", line: 9 },
  },
  tool: "echo",
  message: {
    jsonrpc: "2.0",
    method: "tools/call",
    params: { name: "echo", arguments: { message: "hello" } },
  },
  bytes: 120,
  status: { success: true },
} as const;

async function round(mode: AuditMode, perTurn: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  const store = openSqliteStore({ directory, now: () => new Date() });
  const { privateKey } = createSigningKey();
  const shipper = storeShipper({ store, clock: systemClock, privateKey });
  const log = await AuditLog.open({
    cluster: "c",
    clock: systemClock,
    log: silentLog,
    mode,
    spool: join(directory, "audit.spool"),
    shipper,
  });
  const start = performance.now();
  for (let n = 0; n < EVENTS; n += perTurn) {
    await Promise.all(Array.from({ length: perTurn }, () => log.append(draft)));
  }
  await log.flush();
  const took = performance.now() - start;
  await log.close();
  await store.close();
  rmSync(directory, { recursive: true });
  return took * 1000 / EVENTS;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
console.log(`µs an event, store included; median of ${rounds} rounds of ${EVENTS}`);
for (const mode of ["best_effort", "strict"] as const) {
  for (const perTurn of mode === "strict" ? [16, 128] : [1, 16, 128]) {
    const results: number[] = [];
    for (let n = 0; n < rounds; n++) results.push(await round(mode, perTurn));
    console.log(
      `${mode.padEnd(12)} ${String(perTurn).padStart(4)} a turn  ${median(results).toFixed(1)}`,
    );
  }
}
