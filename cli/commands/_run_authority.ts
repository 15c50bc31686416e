/** The authority of a process: the store, the API on its port, and the administration's socket. */
import { join } from "node:path";
import {
  createPublicServer,
  hostId,
  HostIdentity,
  keepRotating,
  keepSweeping,
  offerPresetRoles,
  openCluster,
  type PublicServer,
} from "../../identity/authority/mod.ts";
import type { Cluster } from "../../identity/authority/mod.ts";
import type { LocalAgent } from "../../identity/authority/admin/mod.ts";
import {
  type Clock,
  FORWARDED_BYTES,
  FORWARDED_MAGIC,
  type Log,
  parseProxy,
} from "../../identity/mod.ts";
import { openStore } from "../../identity/storage/mod.ts";
import { type Listener, startListener } from "../../relay/proxy/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import { readDatabase } from "./_database.ts";
import { readSealingKeys } from "./_sealing_keys.ts";

export interface RunningAuthority {
  readonly cluster: Cluster;
  /** The id of this host. */
  readonly host: string;
  readonly server: PublicServer;
  /** Its own port, where the configuration has one. */
  readonly listener: Listener | undefined;
}

export interface RunAuthorityOptions {
  /** The agent of this process, once there is one. */
  readonly agent: () => LocalAgent | undefined;
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly resources: AsyncDisposableStack;
}

export async function runAuthority(
  { agent, clock, config, log, resources, signal }: RunAuthorityOptions,
): Promise<RunningAuthority> {
  const sealing = await readSealingKeys(config.keyEncryption, clock);
  const database = await readDatabase(config.storage, clock);
  const { dataDir: directory } = config;
  const now = () => clock.now();
  const store = await openStore({ directory, database, now, sealing, log });
  resources.defer(() => store.close());
  const name = config.clusterName === undefined ? {} : { name: config.clusterName };
  const audit = {
    mode: config.audit.mode,
    spool: join(config.dataDir, "audit.spool"),
    spoolLimit: config.audit.spoolLimitMib * 1024 * 1024,
    queueLimit: config.audit.queueLimit,
  };
  const host = await hostId(directory, store);
  const cluster = await openCluster({ store, host, clock, log, audit, ...name });
  resources.defer(() => cluster.audit.close());
  resources.defer(() => cluster.hosts.close());
  await offerPresetRoles(cluster);
  // What an earlier process here has served is served no more, unless it is said again.
  if (!config.services.agent) await store.update((tx) => tx.delete("agent", host));

  const identity = await HostIdentity.open(cluster, {
    role: "authority",
    host,
    names: authorityNames(cluster, config),
  }, signal);
  keepRotating(cluster, signal).catch((error: unknown) => {
    if (!signal.aborted) log.error("Rotations of CAs go on no more", { error: String(error) });
  });
  keepSweeping(cluster, signal).catch((error: unknown) => {
    if (!signal.aborted) log.error("What has ended is swept no more", { error: String(error) });
  });
  const server = createPublicServer(cluster, identity, agent);
  resources.defer(() => server.close());
  const listener = config.authorityListen &&
    await startListener({
      ...config.authorityListen,
      log,
      route: () => server.accept,
      preambles: [{
        magic: FORWARDED_MAGIC,
        bytes: FORWARDED_BYTES,
        route: server.acceptForwarded,
      }],
    });
  if (listener) resources.defer(() => listener.close());
  return { cluster, host, server, listener };
}

/** Names that clients may know the authority by; the last is what the original's clients send. */
function authorityNames(
  cluster: Cluster,
  { authorityListen, listen, publicAddrs }: ClusterConfig,
): string[] {
  const any = (host: string) => host === "0.0.0.0" || host === "::";
  const listening = [listen.host, ...(authorityListen ? [authorityListen.host] : [])];
  return [
    cluster.name,
    "localhost",
    "127.0.0.1",
    "::1",
    ...listening.filter((host) => !any(host)),
    ...publicAddrs.map((address) => parseProxy(address).host),
    "teleport.cluster.local",
  ];
}
