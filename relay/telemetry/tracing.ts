/**
 * OpenTelemetry traces: one span for each request of a client, from its arrival at the agent to
 * the server's answer. Names and attributes are those of the semantic conventions for MCP. The
 * context of a client is taken from `params._meta` and the span's own put in its place, in the
 * keys that SEP-414 reserves, so that the server's work joins the same trace.
 */
import { Buffer } from "node:buffer";
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";
import { ExportResultCode, parseTraceParent, TraceState } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { type App, appTransport, type Log, type SessionClaims } from "../../identity/mod.ts";
import { applyEdits, setMember } from "../wire/edit.ts";
import { CLIENT_REQUESTS } from "../gate/methods.ts";
import type { GateRecord, GateStep } from "../gate/step.ts";
import { JsonView } from "../wire/json.ts";
import type { AgentObserver, SessionObserver } from "./observer.ts";

export interface TracingOptions {
  readonly version: string;
  readonly cluster: string;
  /** Share of traces that begin here and are kept, 0 to 1; a client's own choice goes before. */
  readonly ratio: number;
  /** Where spans go: the address of a collector that takes OTLP over HTTP, or an exporter. */
  readonly exporter: string | SpanExporter;
  readonly log: Log;
}

export interface Tracing {
  readonly observer: AgentObserver;
  /** Sends what waits and stops. */
  close(): Promise<void>;
}

/** A `tracestate` is at most this long (W3C Trace Context, section 3.3.1.5, asks for 512). */
const MAX_TRACE_STATE = 512;

/** Milliseconds that the end of the process waits for a collector to take what is left. */
const LAST_FLUSH_MS = 2_000;

/** Starts tracing. Spans wait in a queue of the library's that is bounded; beyond it they are lost. */
export function createTracing(options: TracingOptions): Tracing {
  const { version, cluster, ratio, exporter, log } = options;
  const sink = typeof exporter === "string" ? new OTLPTraceExporter({ url: exporter }) : exporter;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": "postern",
      "service.version": version,
      "service.namespace": cluster,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: said(sink, log) })],
  });
  const tracer = provider.getTracer("postern", version);
  return {
    observer: {
      session: (app, claims) => new TracedSession(tracer, app, claims),
      refused: () => {},
      limited: () => {},
    },
    async close() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const enough = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          log.warn("The collector did not take the last traces in time; they are lost");
          resolve();
        }, LAST_FLUSH_MS);
      });
      await Promise.race([provider.shutdown().catch(() => {}), enough]);
      clearTimeout(timer);
    },
  };
}

/** An exporter that says when spans begin to get lost, and when they arrive again. */
function said(exporter: SpanExporter, log: Log): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code === ExportResultCode.FAILED;
        if (failed && !failing) {
          log.warn("Cannot send traces", { error: String(result.error ?? "unknown error") });
        }
        if (!failed && failing) log.info("Traces are sent again");
        failing = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: (...options) => exporter.forceFlush?.(...options) ?? Promise.resolve(),
  };
}

class TracedSession implements SessionObserver {
  readonly #tracer: Tracer;
  readonly #common: Attributes;
  /** Spans without their end yet, by decision; the gate bounds how many can wait. */
  readonly #open = new Map<string, Span>();

  constructor(tracer: Tracer, app: App, claims: SessionClaims) {
    this.#tracer = tracer;
    this.#common = {
      "mcp.session.id": claims.session,
      "network.transport": appTransport(app.uri) === "stdio" ? "pipe" : "tcp",
      "postern.app": app.name,
      "postern.bot": claims.bot,
    };
  }

  fromClient(step: GateStep): GateStep {
    let { forward } = step;
    for (const record of step.records) {
      if (record.kind !== "request" || record.from !== "client") {
        this.#end(record);
        continue;
      }
      const span = this.#start(record);
      if (forward !== undefined && record.decisionId !== undefined) {
        this.#open.set(record.decisionId, span);
        forward = withContext(forward, span.spanContext());
      } else {
        fail(span, record);
        span.end();
      }
    }
    return forward === undefined ? step : { ...step, forward };
  }

  noted(records: readonly GateRecord[]): void {
    for (const record of records) this.#end(record);
  }

  startFailed(): void {}

  ended(): void {
    for (const span of this.#open.values()) {
      span.setAttribute("error.type", "session_ended").setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    }
    this.#open.clear();
  }

  #start(record: GateRecord): Span {
    const { method = "", target, decision } = record;
    const known = CLIENT_REQUESTS.has(method);
    // Only names that a role grants: anybody can invent others.
    const named = decision?.effect === "allow" &&
      (target?.kind === "tool" || target?.kind === "prompt");
    const parent = parentOf(record.params);
    return this.#tracer.startSpan(
      known ? (named ? `${method} ${target.name}` : method) : "unknown",
      {
        kind: SpanKind.SERVER,
        attributes: {
          ...this.#common,
          ...(known && { "mcp.method.name": method }),
          ...(record.id !== undefined && { "jsonrpc.request.id": String(JSON.parse(record.id)) }),
          ...(named && { [TARGET_ATTRIBUTES[target.kind]]: target.name }),
          ...(decision && { "postern.decision": decision.effect }),
          ...(record.decisionId && { "postern.decision_id": record.decisionId }),
        },
      },
      parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
    );
  }

  #end(record: GateRecord): void {
    if (record.kind !== "response" || record.decisionId === undefined) return;
    const span = this.#open.get(record.decisionId);
    if (span === undefined) return;
    this.#open.delete(record.decisionId);
    fail(span, record);
    span.end();
  }
}

const TARGET_ATTRIBUTES = { tool: "gen_ai.tool.name", prompt: "gen_ai.prompt.name" } as const;

function fail(span: Span, { outcome, error, reason }: GateRecord): void {
  if (outcome === "forwarded" && error === undefined) return;
  if (error) span.setAttribute("rpc.response.status_code", String(error.code));
  span.setAttribute("error.type", reason ?? String(error?.code ?? outcome));
  // No text of a peer: a description is shown on somebody's screen.
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The context that a client has sent along, if it is one. */
function parentOf(params: JsonView | undefined): SpanContext | undefined {
  const meta = params?.member("_meta");
  const sent = meta?.member("traceparent")?.string();
  const context = sent === undefined ? null : parseTraceParent(sent);
  if (context === null) return undefined;
  const state = meta?.member("tracestate")?.string();
  const traceState = state === undefined || state.length > MAX_TRACE_STATE
    ? undefined
    : new TraceState(state);
  return { ...context, isRemote: true, ...(traceState && { traceState }) };
}

/** The message with this context in its `params._meta`; everything else stays as it is. */
function withContext(message: Uint8Array, context: SpanContext): Uint8Array {
  const flags = (context.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, "0");
  const traceparent = JSON.stringify(`00-${context.traceId}-${context.spanId}-${flags}`);
  const whole = new JsonView(message, 0, message.length);
  const params = whole.member("params");
  const meta = params?.member("_meta");
  if (meta?.type === "object") {
    return applyEdits(message, [setMember(meta, "traceparent", traceparent)]);
  }
  // A `_meta` that is no object is the server's to refuse.
  if (meta !== undefined) return message;
  const added = `{"traceparent":${traceparent}}`;
  if (params !== undefined) return applyEdits(message, [setMember(params, "_meta", added)]);
  // At the end: a reader of the stream finds the members where JSON-RPC shows them.
  const text = Buffer.from(`,"params":{"_meta":${added}}`);
  return applyEdits(message, [{
    start: message.length - 1,
    end: message.length - 1,
    text: [text],
  }]);
}
