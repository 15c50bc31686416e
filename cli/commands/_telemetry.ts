/** Metrics, health and traces of `app-agent start`: nothing is loaded unless it is configured. */
import { type Log, VERSION } from "../../identity/mod.ts";
import type { Agent } from "../../relay/agent/mod.ts";
import type { AgentObserver, AuditGauges, Metrics } from "../../relay/telemetry/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";

export interface Telemetry {
  readonly observer: AgentObserver | undefined;
  watch(agent: Agent, audit: AuditGauges): void;
  /** From now on the cluster says that it is ready. */
  ready(): void;
}

/** Starts what is configured; `resources` ends it. */
export async function openTelemetry(
  { diagnostics, tracing: tracingOptions }: Pick<ClusterConfig, "diagnostics" | "tracing">,
  { name, log }: { readonly name: string; readonly log: Log },
  resources: AsyncDisposableStack,
): Promise<Telemetry | undefined> {
  if (diagnostics === undefined && tracingOptions === undefined) return undefined;
  const observers: AgentObserver[] = [];
  const { allObservers, createMetrics, createTracing } = await import(
    "../../relay/telemetry/mod.ts"
  );
  let metrics: Metrics | undefined;
  let ready = false;
  if (diagnostics) {
    const { Registry, serveDiagnostics } = await import("../diagnostics.ts");
    const registry = new Registry();
    metrics = createMetrics(registry);
    const server = await serveDiagnostics(diagnostics, {
      services: () => ({ cluster: { status: ready ? "healthy" : "initializing" } }),
      registry,
    });
    resources.defer(() => server.close());
    log.info("Serving health and metrics", server.address);
    observers.push(metrics.observer);
  }
  if (tracingOptions) {
    const { url: exporter, ratio } = tracingOptions;
    const tracing = createTracing({ version: VERSION, cluster: name, ratio, exporter, log });
    resources.defer(() => tracing.close());
    observers.push(tracing.observer);
  }
  return {
    observer: allObservers(observers),
    watch: (agent, audit) => metrics?.watch(agent, audit),
    ready: () => void (ready = true),
  };
}
