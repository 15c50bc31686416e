/**
 * The audit events of a session. Types, codes and fields are the original's; what it does not
 * record (outcomes, messages that reached nobody) has codes of our own, `PMCP…`.
 */
import { Buffer } from "node:buffer";
import type { App, EventDraft, Principal, SessionClaims } from "../../identity/mod.ts";
import type { Redactor } from "../../identity/audit/mod.ts";
import type { GateRecord } from "../gate/step.ts";
import type { End } from "../wire/handshake.ts";

/** Requests whose success the original does not record, and neither do we. */
const ROUTINE = new Set([
  "ping",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "tools/list",
]);

/** Params beyond this are left out of an event; how long they were stays. */
const MAX_PARAMS_BYTES = 16 * 1024;

/** `user_kind` of a bot, as the original counts. */
const USER_KIND_BOT = 2;

/** Writes the events of one session. */
export class SessionEvents {
  readonly #common: Readonly<Record<string, unknown>>;
  readonly #redactor: Redactor | undefined;

  /** What the redactor replaces is in no event. */
  constructor(claims: SessionClaims, app: App | undefined, redactor?: Redactor) {
    this.#redactor = redactor;
    this.#common = {
      sid: claims.session,
      user: `bot-${claims.bot}`,
      user_kind: USER_KIND_BOT,
      user_roles: claims.roles,
      bot_name: claims.bot,
      bot_instance_id: claims.instance,
      app_name: claims.app,
      ...(app && { app_uri: app.uri }),
    };
  }

  start(
    details: { address: string; client: string; principal: Principal; app: App },
  ): EventDraft {
    return {
      type: "mcp.session.start",
      code: "TMCP001I",
      ...this.#common,
      "addr.remote": details.address,
      client: details.client,
      // What decisions depend on beside the roles; they were asked for at the session's start.
      user_roles: details.principal.roles,
      bot_traits: details.principal.traits,
      app_labels: details.app.labels,
      status: { success: true },
    };
  }

  /** Nobody got in; the peer was told less than this. */
  refusedStart(details: { address: string; end: End; because: string }): EventDraft {
    return {
      type: "mcp.session.start",
      code: "TMCP001E",
      ...this.#common,
      "addr.remote": details.address,
      status: { success: false, error: details.because, reason: details.end.code },
    };
  }

  end(
    details: {
      address: string;
      end: End;
      because: string | undefined;
      /** Milliseconds. */
      duration: number;
      counts: Readonly<Record<string, number>>;
    },
  ): EventDraft {
    return {
      type: "mcp.session.end",
      code: "TMCP002I",
      ...this.#common,
      "addr.remote": details.address,
      duration_ms: rounded(details.duration),
      counts: { ...details.counts },
      status: { success: true, reason: details.end.code, message: details.because },
    };
  }

  /** The event for what the gate has noted, if it is worth one; `latency` is in milliseconds. */
  message(record: GateRecord, latency?: number): EventDraft | undefined {
    const success = record.outcome === "forwarded" && record.error === undefined;
    if (success && !isRecorded(record)) return undefined;
    const [type, code] = typeAndCode(record);
    return {
      type,
      code: code + (success ? "I" : "E"),
      ...this.#common,
      from: record.from,
      ...(record.decisionId && { decision_id: record.decisionId }),
      ...(record.decision && { decision: record.decision }),
      ...(record.target && { [record.target.kind]: record.target.name }),
      ...(record.hidden && { hidden: record.hidden }),
      message: this.#redacted({
        jsonrpc: "2.0",
        ...(record.method !== undefined && { method: record.method }),
        ...(record.id !== undefined && { id: readId(record.id) }),
        ...params(record),
      }),
      bytes: record.bytes,
      ...(latency !== undefined && { latency_ms: rounded(latency) }),
      status: success
        ? { success }
        : { success, outcome: record.outcome, ...this.#failure(record) },
    };
  }

  #failure({ error, reason }: GateRecord): Record<string, unknown> {
    const { error: told } = this.#redacted({ error: error && { message: error.message } });
    return {
      ...(error && { error: (told as { message: unknown }).message, error_code: error.code }),
      ...(reason !== undefined && { reason }),
    };
  }

  #redacted<T extends Record<string, unknown>>(value: T): T {
    return this.#redactor ? this.#redactor.redact(value) as T : value;
  }
}

/** What clients ask and tell is recorded; servers only when something of theirs is held back. */
function isRecorded({ kind, from, method }: GateRecord): boolean {
  if (kind === "response") return from === "server" && !ROUTINE.has(method ?? "");
  return from === "client" && !ROUTINE.has(method ?? "");
}

function typeAndCode({ kind, from }: GateRecord): [type: string, code: string] {
  if (kind === "response") return ["mcp.session.response", "PMCP001"];
  if (from === "server") return ["mcp.session.server_message", "PMCP002"];
  return kind === "notification"
    ? ["mcp.session.notification", "TMCP004"]
    : ["mcp.session.request", "TMCP003"];
}

function params({ params }: GateRecord): Record<string, unknown> {
  if (params === undefined) return {};
  const bytes = params.end - params.start;
  if (bytes > MAX_PARAMS_BYTES) return { params_omitted_bytes: bytes };
  return { params: JSON.parse(Buffer.from(params.slice()).toString("utf8")) };
}

/** Milliseconds, to the microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** Ids are strings or integers that every reader takes for the same. */
function readId(json: string): unknown {
  return JSON.parse(json);
}
