/** `app-agent start`: authority, relay and agent, in one process or each in its own. */
import { createAdmin, serveAdmin } from "../../identity/authority/admin/mod.ts";
import { trustedCertificates } from "../../identity/authority/mod.ts";
import { caPin } from "../../identity/mod.ts";
import type { Clock, Log } from "../../identity/mod.ts";
import type { Agent } from "../../relay/agent/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import { AgentAnswers } from "./_agent_answers.ts";
import { clusterGreeting } from "./_cluster_greeting.ts";
import type { AgentHome, RelayHome } from "./_home.ts";
import { localAgentHome, type LocalHost, localRelayHome } from "./_local_home.ts";
import { type Answers, remoteAgentHome, remoteRelayHome } from "./_remote_home.ts";
import { dialRelays, runAgent } from "./_run_agent.ts";
import { runAuthority, type RunningAuthority } from "./_run_authority.ts";
import { presentRelay, type RunningRelay, runRelay } from "./_run_relay.ts";
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

/** What all of it works with while it starts. */
interface Starting {
  readonly host: AgentHost;
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted when the process ends, after what drains has drained. */
  readonly signal: AbortSignal;
  readonly resources: AsyncDisposableStack;
}

/** Runs what the configuration says that this process is, until the host's signal is aborted. */
export async function startAgent(host: AgentHost, config: ClusterConfig, log: Log): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const ending = new AbortController();
  resources.defer(() => ending.abort());
  const { clock } = host;
  const starting = { host, config, clock, log, signal: ending.signal, resources };
  // Whoever joins waits for the authority; being asked to end ends that too.
  const abandon = () => ending.abort(host.signal.reason);
  host.signal.addEventListener("abort", abandon, { once: true });
  try {
    const relay = await start(starting);
    host.signal.removeEventListener("abort", abandon);
    await aborted(host.signal);
    log.info("Stopping");
    // Agents of other processes and their clients go on; those of this one end with it.
    await relay?.drain(config.drainMs);
  } catch (error) {
    if (!host.signal.aborted) throw error;
  }
}

async function start(starting: Starting): Promise<RunningRelay | undefined> {
  const { config, host, log, resources } = starting;
  const running: { agent?: Agent } = {};
  const authority = config.services.authority
    ? await runAuthority({ ...starting, agent: () => running.agent })
    : undefined;
  const homes = authority
    ? await localHomes(starting, authority)
    : await remoteHomes(starting, config.services);
  const name = authority?.cluster.name ?? (homes.agent ?? homes.relay)!.cluster;
  const telemetry = await openTelemetry(config, { name, log }, resources);
  const agent = homes.agent &&
    await runAgent(homes.agent, { config, selfCommand: host.selfCommand, telemetry, resources });
  if (agent) {
    running.agent = agent;
    homes.answering?.(agent);
  }

  const near = homes.agent && agent && { agent, host: homes.agent.host };
  const relay = homes.relay && await runRelay(homes.relay, config, near);
  if (relay) resources.defer(() => relay.close());
  const address = relay && publicAddress(config, relay.address);
  if (homes.relay && address !== undefined) {
    await presentRelay(homes.relay, [address], starting.signal);
  }
  if (homes.agent && agent) {
    dialRelays(homes.agent, agent, { besides: homes.relay?.host, resources });
  }
  if (authority) await administer(starting, authority, agent, address);
  else host.stdout.write(joinedGreeting(name, homes, address));
  log.info("Cluster is ready", { cluster: name, ...relay?.address });
  telemetry?.ready();
  return relay;
}

interface Homes {
  readonly relay?: RelayHome;
  readonly agent?: AgentHome;
  /** From now on the agent answers what the authority asks. */
  readonly answering?: (agent: Agent) => void;
}

async function localHomes(
  { config: { services }, signal }: Starting,
  { cluster, host, server }: RunningAuthority,
): Promise<Homes> {
  const local: LocalHost = { cluster, host, signal };
  return {
    ...(services.relay && { relay: await localRelayHome(local, server) }),
    ...(services.agent && { agent: await localAgentHome(local) }),
  };
}

async function remoteHomes(
  starting: Starting,
  services: ClusterConfig["services"],
): Promise<Homes> {
  const relay = services.relay ? await remoteRelayHome(starting) : undefined;
  if (!services.agent) return { ...(relay && { relay }) };
  const answers: Answers = { question: () => {}, commit: () => {} };
  const agent = await remoteAgentHome(starting, answers);
  return {
    ...(relay && { relay }),
    agent,
    answering(running) {
      const { commit, question } = new AgentAnswers(running, agent);
      Object.assign(answers, { commit, question });
    },
  };
}

async function administer(
  { config, host, log, resources }: Starting,
  { cluster, listener }: RunningAuthority,
  agent: Agent | undefined,
  relayAddress: string | undefined,
): Promise<void> {
  const admin = await serveAdmin(createAdmin(cluster, agent), config.dataDir, log);
  resources.defer(() => admin.close());
  const address = relayAddress ?? publicAddress(config, listener!.address);
  await cluster.store.update((tx) => tx.put("settings", "public_address", { address }));
  host.stdout.write(clusterGreeting({
    name: cluster.name,
    address,
    dataDir: config.dataDir,
    caPins: trustedCertificates(cluster.keys, "host").map(caPin),
    configFile: config.file,
  }));
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

function joinedGreeting(
  cluster: string,
  { agent, relay }: Homes,
  address: string | undefined,
): string {
  return [
    `Part of cluster ${cluster} is ready.`,
    ...(relay ? [`  relay     ${relay.host}, at ${address}`] : []),
    ...(agent ? [`  agent     ${agent.host}`] : []),
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
