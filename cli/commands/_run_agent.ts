/** The agent of a process: it serves apps, to whoever its relays send. */
import { createRedactor } from "../../identity/audit/mod.ts";
import { type Agent, createAgent, spawnReaper } from "../../relay/agent/mod.ts";
import { RelayDialler } from "../../relay/tunnel/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import type { AgentHome } from "./_home.ts";
import { serveApps } from "./_served_apps.ts";
import type { Telemetry } from "./_telemetry.ts";

export interface RunAgentOptions {
  readonly config: ClusterConfig;
  /** The command line that starts this program again. */
  readonly selfCommand: readonly string[];
  readonly telemetry: Telemetry | undefined;
  readonly resources: AsyncDisposableStack;
}

export async function runAgent(
  home: AgentHome,
  { config, resources, selfCommand, telemetry }: RunAgentOptions,
): Promise<Agent> {
  const { clock, log, view } = home;
  const served = await serveApps(home, config, resources);
  const [program = "", ...args] = selfCommand;
  const agent = createAgent({
    view,
    hostCredentials: home.credentials,
    audit: home.audit,
    limits: config.agentLimits,
    appLimits: config.appLimits,
    redactor: config.audit.redact.length > 0
      ? createRedactor(config.audit.redact, home.redaction)
      : undefined,
    clock,
    log,
    spawnReaper: () => spawnReaper(program, [...args, "__reaper"]),
    observer: telemetry?.observer,
    appSettings: (name) => served.find(name),
    signAppToken: home.signAppToken,
  });
  resources.defer(() => agent.close());
  telemetry?.watch(agent, home.audit);
  return agent;
}

/** Dials the relays of the cluster; the one of this process needs no dialling. */
export function dialRelays(
  home: AgentHome,
  agent: Agent,
  { besides, resources }: {
    readonly besides: string | undefined;
    readonly resources: AsyncDisposableStack;
  },
): void {
  const dialler = new RelayDialler({
    cluster: home.cluster,
    relays: () => home.facts().relays.filter(({ host }) => host !== besides),
    onRelays: home.onFacts,
    hostCredentials: home.credentials,
    hostCas: () => home.facts().hostCas,
    accept: (socket, from) => agent.accept(socket, from),
    clock: home.clock,
    log: home.log,
  });
  resources.defer(() => dialler.close());
}
