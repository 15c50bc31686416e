/**
 * Metrics of an agent in Prometheus' text format. Names that begin with `teleport_` are the
 * original's, so that dashboards go on working. Labels come from configuration or from closed
 * sets, never from a peer: nobody can make a series by naming something.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import {
  CLIENT_NOTIFICATIONS,
  CLIENT_REQUESTS,
  SERVER_NOTIFICATIONS,
  SERVER_REQUESTS,
} from "../gate/methods.ts";
import { type App, appTransport } from "../../identity/mod.ts";
import { limitMet } from "../gate/limits.ts";
import type { GateRecord } from "../gate/step.ts";
import { LIMIT_NAMES, type LimitName } from "../limit.ts";
import { type AuditGauges, watchAudit } from "./audit_metrics.ts";
import type { AgentObserver, SessionObserver } from "./observer.ts";

/** What is read from the agent when somebody asks for metrics. */
export interface AgentGauges {
  /** Bytes of messages that wait for a peer or for their audit record. */
  readonly held: number;
  /** Sessions whose server is not read from. */
  readonly stalled: number;
}

export interface Metrics {
  readonly observer: AgentObserver;
  /** Tells where the gauges of the agent are, once it is there. */
  watch(agent: AgentGauges, audit: AuditGauges): void;
}

/** Seconds; from a cached answer to a tool that thinks. */
const BUCKETS = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  60,
];

/** Starts counting into a registry, which may have other metrics as well. */
export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  const setupErrors = new Counter({
    name: "teleport_mcp_setup_errors_total",
    help: "Sessions that could not be set up",
    labelNames: ["transport"],
    registers,
  });
  const sessions = new Counter({
    name: "teleport_mcp_sessions_total",
    help: "Sessions that were started",
    labelNames: ["transport"],
    registers,
  });
  const active = new Gauge({
    name: "teleport_mcp_active_sessions_total",
    help: "Sessions that are open now",
    labelNames: ["transport"],
    registers,
  });
  const ends = new Counter({
    name: "postern_mcp_session_ends_total",
    help: "Sessions that have ended, by what ended them",
    labelNames: ["reason"],
    registers,
  });
  const labelNames = ["transport", "type", "method"];
  const fromClient = new Counter({
    name: "teleport_mcp_messages_from_client_total",
    help: "Messages of clients",
    labelNames,
    registers,
  });
  const fromServer = new Counter({
    name: "teleport_mcp_messages_from_server_total",
    help: "Messages of servers",
    labelNames,
    registers,
  });
  const stopped = new Counter({
    name: "postern_mcp_messages_stopped_total",
    help: "Messages that were refused or dropped, by the reason",
    labelNames: ["app", "from", "reason"],
    registers,
  });
  const limitHits = new Counter({
    name: "postern_limit_hits_total",
    help: "How often somebody has met a limit",
    labelNames: ["limit"],
    registers,
  });
  const limited = (limit: LimitName) => limitHits.inc({ limit });
  // All of them from the start, so that a rate can be told when the first one comes.
  for (const limit of LIMIT_NAMES) limitHits.inc({ limit }, 0);
  const duration = new Histogram({
    name: "postern_mcp_request_duration_seconds",
    help: "From a client's request at the agent to the server's answer there",
    labelNames: ["app", "method"],
    buckets: BUCKETS,
    registers,
  });
  return {
    observer: {
      session(app) {
        const transport = transportOf(app);
        sessions.inc({ transport });
        active.inc({ transport });
        const started = new Map<string, number>();
        const count = (records: readonly GateRecord[]) => {
          for (const record of records) {
            const by = record.from === "client" ? fromClient : fromServer;
            by.inc({ transport, type: record.kind, method: knownMethod(record) });
            if (record.outcome !== "forwarded" && record.reason !== undefined) {
              stopped.inc({ app: app.name, from: record.from, reason: record.reason });
              const limit = limitMet(record);
              if (limit) limited(limit);
            }
            time(record);
          }
        };
        const time = (record: GateRecord) => {
          const { kind, decisionId, outcome } = record;
          if (decisionId === undefined) return;
          if (kind === "request") {
            if (outcome === "forwarded") started.set(decisionId, performance.now());
            return;
          }
          const since = started.get(decisionId);
          started.delete(decisionId);
          // What was cancelled or cut off has no duration.
          if (since === undefined || outcome === "dropped") return;
          const labels = { app: app.name, method: knownMethod(record) };
          duration.observe(labels, (performance.now() - since) / 1000);
        };
        return {
          fromClient(step) {
            count(step.records);
            return step;
          },
          noted: count,
          startFailed: () => setupErrors.inc({ transport }),
          ended({ code, limit }) {
            active.dec({ transport });
            ends.inc({ reason: code });
            if (limit) limited(limit);
          },
        } satisfies SessionObserver;
      },
      limited,
      refused: (app) => setupErrors.inc({ transport: app ? transportOf(app) : "unknown" }),
    },
    watch(agent, audit) {
      watchAudit(audit, registers);
      new Gauge({
        name: "postern_agent_held_bytes",
        help: "Bytes of messages that wait for a peer or for their audit record",
        registers,
        collect() {
          this.set(agent.held);
        },
      });
      new Gauge({
        name: "postern_agent_stalled_sessions",
        help: "Sessions whose server is not read from until the client has caught up",
        registers,
        collect() {
          this.set(agent.stalled);
        },
      });
    },
  };
}

function knownMethod({ kind, from, method }: Pick<GateRecord, "kind" | "from" | "method">): string {
  if (method === undefined) return "unknown";
  const known = kind === "response" || kind === "invalid"
    ? CLIENT_REQUESTS.has(method) || SERVER_REQUESTS.has(method)
    : kind === "request"
    ? (from === "client" ? CLIENT_REQUESTS : SERVER_REQUESTS).has(method)
    : (from === "client" ? CLIENT_NOTIFICATIONS : SERVER_NOTIFICATIONS).has(method);
  return known ? method : "unknown";
}

/** How the agent speaks to the server of an app. */
function transportOf({ uri }: App): string {
  return appTransport(uri) ?? "unknown";
}
