// How soon an edit and a lock are in force at agents in other processes, and how soon a lock is
// confirmed: `bun tools/bench/news.ts [trials] [agents]`. Agents follow over real TLS, each with its
// own copy, in this process: what is measured is the way from the commit to the copy's listeners.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { createPublicServer, HostIdentity, openCluster } from "../../identity/authority/mod.ts";
import { connectHost } from "../../identity/host/mod.ts";
import { generateKeyPair, silentLog, systemClock } from "../../identity/mod.ts";
import { openSqliteStore } from "../../identity/storage/mod.ts";
import { ClusterFollower, RemoteView } from "../../identity/stream/mod.ts";
import { median, quantile, shown } from "./_stats.ts";

const trials = Number(process.argv[2] ?? 1000);
const agents = Number(process.argv[3] ?? 2);
const TARGET = { median: 100, worst: 1000 };

const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
const ending = new AbortController();
const clock = systemClock;
const store = openSqliteStore({ directory, now: () => clock.now() });
const cluster = await openCluster({ store, name: "bench.test", clock, log: silentLog });
const identity = await HostIdentity.open(cluster, {
  role: "authority",
  host: randomBytes(16).toString("hex"),
  names: ["bench.test", "localhost"],
}, ending.signal);
const server = createPublicServer(cluster, identity);
const port = net.createServer((socket) => server.accept(socket));
await new Promise<void>((resolve) => port.listen(0, "127.0.0.1", () => resolve()));
const proxy = `127.0.0.1:${(port.address() as net.AddressInfo).port}`;
const admin = createAdmin(cluster);
const trust = { kind: "cas", hostCas: [cluster.keys.host.certificate] } as const;

async function startAgent(token: string): Promise<RemoteView> {
  const { publicKey, privateKey: key } = generateKeyPair();
  const joining = connectHost(() => ({ proxy, trust }));
  const { certificate } = await joining.join({ token, role: "agent", name: "bench", publicKey });
  const connect = () => ({ proxy, trust, credentials: { certificate, key } });
  const client = connectHost(connect);
  const follower = await ClusterFollower.open({
    connect,
    clock,
    log: silentLog,
    signal: ending.signal,
    // No sessions are open here; an agent that has some answers when they have ended.
    onQuestion: ({ id }) => void client.answer(id, []).catch(() => {}),
  });
  const none = { app: () => undefined, onApps: () => () => {} };
  return await RemoteView.open(follower, { clock, log: silentLog, ...none });
}

/** Milliseconds from now until it holds at the view; asked at each of its changes. */
function inForce(view: RemoteView, holds: () => boolean): Promise<number> {
  const began = performance.now();
  return new Promise((resolve) => {
    const look = () => {
      if (!holds()) return;
      stop();
      resolve(performance.now() - began);
    };
    const stop = view.subscribe(look);
  });
}

const { token } = await admin.addHostToken({ roles: ["agent"] });
const views = await Promise.all(Array.from({ length: agents }, () => startAgent(token)));
await store.update((tx) => tx.put("bot", "robot", { roles: [], traits: {} }));
const figures: Record<string, number[]> = { edit: [], lock: [], "lock confirmed": [] };

for (let trial = 0; trial < trials; trial++) {
  const source =
    `kind: role\nversion: v6\nmetadata: {name: r, description: '${trial}'}\nspec: {}\n`;
  const edits = views.map((view) => {
    const before = view.role("r");
    return inForce(view, () => view.role("r") !== before);
  });
  await admin.createResources({ text: source, file: "r.yaml", force: true });
  figures["edit"]!.push(...await Promise.all(edits));

  const locks = views.map((view) =>
    inForce(view, () => view.standing("robot", "").kind === "locked")
  );
  const began = performance.now();
  const { name } = await admin.addLock({ bot: "robot" });
  figures["lock confirmed"]!.push(performance.now() - began);
  figures["lock"]!.push(...await Promise.all(locks));
  const unlocked = views.map((view) =>
    inForce(view, () => view.standing("robot", "").kind === "live")
  );
  await admin.removeResource({ kind: "lock", name });
  await Promise.all(unlocked);
}

console.log(`${trials} trials, ${agents} agents; milliseconds from before the commit`);
let met = true;
for (const [what, values] of Object.entries(figures)) {
  const [middle, p99, worst] = [median(values), quantile(values, 0.99), quantile(values, 1)];
  const fits = middle <= TARGET.median && worst <= TARGET.worst;
  met &&= fits;
  console.log(
    `  ${what.padEnd(15)} median ${shown(middle).padStart(6)}  p99 ${shown(p99).padStart(6)}  ` +
      `worst ${shown(worst).padStart(6)}  ${fits ? "met" : "NOT MET"}`,
  );
}
console.log(`  target: median ${TARGET.median}, worst ${TARGET.worst}`);
ending.abort();
cluster.hosts.close();
server.close();
port.close();
await cluster.audit.close();
await store.close();
rmSync(directory, { recursive: true });
process.exit(met ? 0 : 1);
