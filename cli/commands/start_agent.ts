/** `app-agent start`: authority, relay and agent in one process, behind one port. */
import type { Socket } from "node:net";
import { join } from "node:path";
import {
  createPublicServer,
  hostId,
  HostIdentity,
  isTicketName,
  keepRotating,
  offerPresetRoles,
  openCluster,
  readTicket,
  signAppToken,
} from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import { createAdmin, serveAdmin } from "../../identity/authority/admin/mod.ts";
import { createRedactor } from "../../identity/audit/mod.ts";
import { caPin, parseProxy } from "../../identity/mod.ts";
import type { Clock, Log } from "../../identity/mod.ts";
import { openStore } from "../../identity/storage/mod.ts";
import { createAgent, spawnReaper } from "../../relay/agent/mod.ts";
import { startListener } from "../../relay/proxy/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import { readDatabase } from "./_database.ts";
import { readSealingKeys } from "./_sealing_keys.ts";
import { serveApps } from "./_served_apps.ts";
import { openTelemetry } from "./_telemetry.ts";

/** What `app-agent start` needs of the world. */
export interface AgentHost {
  readonly stdout: { write(text: string): unknown };
  readonly clock: Clock;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
  /** The command line that starts this program again. */
  readonly selfCommand: readonly string[];
}

/** Runs a whole cluster until the host's signal is aborted. */
export async function startAgent(host: AgentHost, config: ClusterConfig, log: Log): Promise<void> {
  const { clock, signal } = host;
  await using resources = new AsyncDisposableStack();
  const sealing = await readSealingKeys(config.keyEncryption, clock);
  const database = await readDatabase(config.storage, clock);
  const { dataDir: directory } = config;
  const store = await openStore({ directory, database, now: () => clock.now(), sealing });
  resources.defer(() => store.close());
  const name = config.clusterName === undefined ? {} : { name: config.clusterName };
  const audit = {
    mode: config.audit.mode,
    spool: join(config.dataDir, "audit.spool"),
    spoolLimit: config.audit.spoolLimitMib * 1024 * 1024,
    queueLimit: config.audit.queueLimit,
  };
  const agentId = await hostId(directory, store);
  const cluster = await openCluster({ store, host: agentId, clock, log, audit, ...name });
  resources.defer(() => cluster.audit.close());
  await offerPresetRoles(cluster);
  const ending = new AbortController();
  resources.defer(() => ending.abort());

  const identity = (role: "agent" | "authority", names: readonly string[]) =>
    HostIdentity.open(cluster, { role, host: agentId, names }, ending.signal);
  const authorityIdentity = await identity("authority", authorityNames(cluster, config));
  const agentIdentity = await identity("agent", []);

  keepRotating(cluster, ending.signal).catch((error: unknown) => {
    log.error("Rotations of CAs go on no more", { error: String(error) });
  });
  const authority = createPublicServer(cluster, authorityIdentity, () => agent);
  resources.defer(() => authority.close());
  const telemetry = await openTelemetry(config, cluster, resources);
  const served = await serveApps(cluster, agentId, config, resources);
  const [program = "", ...args] = host.selfCommand;
  const agent = createAgent({
    view: cluster.view,
    hostCredentials: () => agentIdentity.credentials,
    audit: cluster.audit,
    limits: config.agentLimits,
    appLimits: config.appLimits,
    redactor: config.audit.redact.length > 0
      ? createRedactor(config.audit.redact, cluster.keys.audit.redaction)
      : undefined,
    clock,
    log,
    spawnReaper: () => spawnReaper(program, [...args, "__reaper"]),
    observer: telemetry?.observer,
    appSettings: (name) => served.find(name),
    signAppToken: (request) => signAppToken(cluster, request),
  });
  resources.defer(() => agent.close());
  telemetry?.watch(agent, cluster.audit);

  const listener = await startListener({
    ...config.listen,
    log,
    route: (servername) => {
      // Any name of a host will do: the authority says by its certificate who it is.
      if (servername === undefined || !isTicketName(servername)) return authority.accept;
      const ticket = readTicket(servername, cluster.keys.ticket.publicKey, clock.now());
      return ticket?.agent === agentId
        ? (socket: Socket) => agent.accept(socket, { address: socket.remoteAddress ?? "unknown" })
        : undefined;
    },
  });
  resources.defer(() => listener.close());
  const admin = await serveAdmin(createAdmin(cluster, agent), config.dataDir, log);
  resources.defer(() => admin.close());

  const address = publicAddress(config, listener.address);
  await store.update((tx) => tx.put("settings", "public_address", { address }));
  host.stdout.write(greeting(cluster, config, address));
  log.info("Cluster is ready", { cluster: cluster.name, ...listener.address });
  telemetry?.ready();
  await aborted(signal);
  log.info("Stopping");
}

/** Names that clients may know the authority by; the last is what the original's clients send. */
function authorityNames(cluster: Cluster, { publicAddrs, listen }: ClusterConfig): string[] {
  const any = listen.host === "0.0.0.0" || listen.host === "::";
  return [
    cluster.name,
    "localhost",
    "127.0.0.1",
    "::1",
    ...(any ? [] : [listen.host]),
    ...publicAddrs.map((address) => parseProxy(address).host),
    "teleport.cluster.local",
  ];
}

/** The address to tell machines; where the port listens, when the configuration names none. */
function publicAddress(
  { publicAddrs }: ClusterConfig,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  const [first] = publicAddrs;
  if (first === undefined) return `${host.includes(":") ? `[${host}]` : host}:${port}`;
  // Without a port it would be taken for 443.
  return /:[0-9]+$/.test(first) ? first : `${first}:${port}`;
}

function greeting(cluster: Cluster, config: ClusterConfig, address: string): string {
  const tctl = config.file === undefined ? "tctl" : `tctl -c ${config.file}`;
  return [
    `Cluster ${cluster.name} is ready.`,
    `  address   ${address}`,
    `  data      ${config.dataDir}`,
    `  CA pin    ${caPin(cluster.keys.host.certificate)}`,
    "",
    "Next, in another terminal on this machine:",
    `  ${tctl} create -f role.yaml                      which servers and tools`,
    `  ${tctl} bots add example --roles=example-role    a machine, and its one-time token`,
    `  ${tctl} status                                   how the cluster is`,
    "",
    "",
  ].join("\n");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
