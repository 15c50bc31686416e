/** Metrics and traces of sessions; heavy to load, and loaded only when configured. */
export type { AuditGauges } from "./audit_metrics.ts";
export { type AgentGauges, createMetrics, type Metrics } from "./metrics.ts";
export { allObservers } from "./observer.ts";
export type { AgentObserver, SessionObserver } from "./observer.ts";
export { createTracing, type Tracing, type TracingOptions } from "./tracing.ts";
