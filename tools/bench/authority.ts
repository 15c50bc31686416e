// What the authority does in a second, by the number of bots that its store holds:
// `bun tools/bench/authority.ts [postgresql://…]`; with a connection string of an empty database it
// measures PostgreSQL, else SQLite. Requests come one after the other, without network and TLS, so
// that a second of this is a second of one core and its disk.
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { hostId, openCluster } from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { issueOutput } from "../../identity/authority/issue_output.ts";
import { joinBot } from "../../identity/authority/join_bot.ts";
import { openSession } from "../../identity/authority/open_session.ts";
import { renewBot } from "../../identity/authority/renew_bot.ts";
import { generateKeyPair, silentLog, systemClock } from "../../identity/mod.ts";
import { openStore } from "../../identity/storage/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";

const COUNTS = [1, 10_000, 100_000];
const REQUESTS = 200;
const BATCH = 2000;
const TTL = 3600;
const ROLE = `kind: role
version: v6
metadata:
  name: dev
spec:
  allow:
    app_labels: {env: dev}
    mcp:
      tools: ['*']
`;

/** Bots as they are after they have joined, each with its instance. */
async function addBots({ store }: Cluster, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += BATCH) {
    await store.update(async (tx) => {
      for (let n = start; n < Math.min(start + BATCH, to); n++) {
        const instance = createHash("sha256").update(`${n}`).digest("hex").slice(0, 32);
        const value = {
          bot: `bot${n}`,
          instance,
          generation: 1,
          key: "k",
          joined: "",
          renewed: "",
        };
        await tx.put("bot", `bot${n}`, { roles: ["dev"], traits: {} });
        await tx.put("instance", `bot${n}/${instance}`, value);
      }
    });
  }
}

async function measure(work: (n: number) => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const start = performance.now();
    await work(n);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const sum = times.reduce((total, time) => total + time, 0);
  const at = (share: number) => times[Math.floor((times.length - 1) * share)]!.toFixed(1);
  return `${(REQUESTS * 1000 / sum).toFixed(0)}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

async function measureAll(cluster: Cluster): Promise<Readonly<Record<string, string>>> {
  const { store, clock } = cluster;
  const tokens = Array.from({ length: REQUESTS }, () => randomBytes(16).toString("hex"));
  const expires = new Date(clock.now().getTime() + 3_600_000).toISOString();
  await store.update(async (tx) => {
    for (const token of tokens) {
      const name = createHash("sha256").update(token).digest("hex");
      await tx.put("token", name, { bot: "bot0", expires });
    }
  });
  const keys = Array.from({ length: REQUESTS + 2 }, () => generateKeyPair().publicKey);
  let certificate = "";
  const joins = await measure(async (n) => {
    const request = { method: "token", token: tokens[n]!, publicKey: keys[n]!, ttl: TTL } as const;
    certificate = (await joinBot(cluster, request, "127.0.0.1")).tls;
  });
  const caller = () => {
    const read = readCertificate(certificate);
    return { certificate: read, claims: read.claims } as never;
  };
  const renewals = await measure(async (n) => {
    certificate = (await renewBot(cluster, caller(), { publicKey: keys[n]!, ttl: TTL })).tls;
  });
  const asked = { publicKey: keys[REQUESTS]!, ttl: TTL, reissue: true };
  certificate = (await issueOutput(cluster, caller(), asked)).tls;
  const identity = caller();
  const sessions = await measure((n) =>
    openSession(cluster, identity, { app: "app", publicKey: keys[n]! } as never, "127.0.0.1")
  );
  return { joins, renewals, "session certificates": sessions };
}

const [, , database] = process.argv;
const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
const store = await openStore({ directory, database, now: () => new Date() });
try {
  const host = await hostId(directory, store);
  const cluster = await openCluster({ store, host, clock: systemClock, log: silentLog });
  const app = { name: "app", description: "", uri: "mcp+stdio://", labels: { env: "dev" } };
  await store.update(async (tx) => {
    await tx.put("role", "dev", { source: ROLE, file: "dev.yaml" });
    await tx.put("agent", "a".repeat(32), { apps: [app] });
  });
  await addBots(cluster, 0, 1);
  // The first figures of a process are those of its compilers.
  await measureAll(cluster);
  let there = 1;
  for (const bots of COUNTS) {
    await addBots(cluster, there, bots);
    there = bots;
    for (const [what, found] of Object.entries(await measureAll(cluster))) {
      console.log(`${String(bots).padStart(7)} bots  ${what.padEnd(20)} ${found}`);
    }
  }
  const load = loadavg()[0]!.toFixed(1);
  console.log(
    `${database === undefined ? "SQLite" : "PostgreSQL"}, load ${load} on ${cpus().length} cores`,
  );
  await cluster.audit.close();
} finally {
  await store.close();
  rmSync(directory, { recursive: true });
}
