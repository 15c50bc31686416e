import type { EventCode, EventType } from "./event_codes.ts";

/**
 * One audit event. Types, codes and field names are those that readers of the original's log
 * know (`mcp.session.request`, `TMCP003I`, …); `uid` makes delivery idempotent.
 */
export interface AuditEvent {
  readonly type: string;
  readonly code: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  /** A UUID. */
  readonly uid: string;
  readonly cluster_name: string;
  readonly [field: string]: unknown;
}

/** An event before it is stamped. */
export interface EventDraft {
  readonly type: EventType;
  readonly code: EventCode;
  /** The log's own. */
  readonly time?: never;
  readonly uid?: never;
  readonly cluster_name?: never;
  readonly chain?: never;
  readonly [field: string]: unknown;
}

/** A draft as compact JSON text, for those who write many alike. */
export type EventJson = string;

/** Takes events; resolves once the event is recorded as safely as the configured mode asks. */
export interface AuditSink {
  append(event: EventDraft | EventJson): Promise<void>;
}
