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
  readonly type: string;
  readonly code: string;
  readonly [field: string]: unknown;
}

/** Takes events; resolves once the event is recorded as safely as the configured mode asks. */
export interface AuditSink {
  append(event: EventDraft): Promise<void>;
}
