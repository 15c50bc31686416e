/**
 * The audit events of a session. Types, codes and fields are the original's; what it does not
 * record (outcomes, messages that reached nobody) has codes of our own, `PMCP…`.
 */
import type { App, EventDraft, EventJson, Principal, SessionClaims } from "../../identity/mod.ts";
import type { EventCode, EventType, Redactor } from "../../identity/audit/mod.ts";
import type { Decision } from "../gate/policy.ts";
import type { GateRecord, Target, Withheld } from "../gate/step.ts";
import type { End } from "../wire/handshake.ts";
import { messageJson } from "./_message_json.ts";
import type { Egress, RecordedHeaders } from "./egress.ts";
import { type OwnRequest, ownRequestEvent } from "./own_request.ts";
import type { Listened } from "./upstream/upstream.ts";

/** Requests whose success the original does not record, and neither do we. */
const ROUTINE = new Set([
  "ping",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "tools/list",
]);

/** `user_kind` of a bot, as the original counts. */
const USER_KIND_BOT = 2;

/** Sessions are opened by certificates, so no token of the client says who it is. */
const INGRESS_AUTH_TYPE = "unknown";

/** Writes the events of one session. */
export class SessionEvents {
  readonly #common: Readonly<Record<string, unknown>>;
  /** The same as members of a JSON object: most events are written as text. */
  readonly #commonJson: string;
  #headers: RecordedHeaders | undefined;
  /** The headers too, for what is passed on to the server. */
  #sentJson: string;
  readonly #redactor: Redactor | undefined;
  /** A rule decides the same way each time, and its decision is the same object. */
  readonly #decisions = new WeakMap<Decision, string>();

  /** What the redactor replaces is in no event. */
  constructor(claims: SessionClaims, app: App | undefined, redactor?: Redactor) {
    this.#redactor = redactor;
    this.#common = {
      sid: claims.session,
      user: `bot-${claims.bot}`,
      user_kind: USER_KIND_BOT,
      // No bot has a second factor, and tbot's keys are in files.
      with_mfa: "",
      private_key_policy: "none",
      user_roles: claims.roles,
      bot_name: claims.bot,
      bot_instance_id: claims.instance,
      app_name: claims.app,
      ...(app && { app_uri: app.uri }),
    };
    this.#commonJson = JSON.stringify(this.#common).slice(1, -1);
    this.#sentJson = this.#commonJson;
  }

  /** The headers that requests to the server carry from now on. */
  sends(headers: RecordedHeaders | undefined): void {
    this.#headers = headers;
    this.#sentJson = this.#commonJson;
    if (headers) this.#sentJson += `,"headers":${JSON.stringify(headers)}`;
  }

  start(
    details: { address: string; client: string; principal: Principal; app: App; egress: Egress },
  ): EventDraft {
    this.sends(details.egress.headers);
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
      ingress_auth_type: INGRESS_AUTH_TYPE,
      egress_auth_type: details.egress.authType,
      ...this.#sent,
      status: { success: true },
    };
  }

  /** Another connection, with a certificate of its own, goes on with the session. */
  resumed({ address, certificate }: { address: string; certificate: string }): EventDraft {
    return {
      type: "mcp.session.resume",
      code: "PMCP003I",
      ...this.#common,
      "addr.remote": address,
      resumed_by: certificate,
      status: { success: true },
    };
  }

  /** The agent has asked a server over HTTP for a stream of events. */
  listened({ resumed, refused }: Listened): EventDraft {
    return {
      type: "mcp.session.listen_sse_stream",
      code: refused === undefined ? "TMCP005I" : "TMCP005E",
      ...this.#common,
      ...this.#sent,
      resumed,
      status: refused === undefined ? { success: true } : { success: false, error: refused },
    };
  }

  /** The agent has something to ask for this session. */
  asked(request: OwnRequest): EventDraft {
    const event = ownRequestEvent(request, this.#redactor);
    return { ...event, ...this.#common, ...this.#sent };
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
  message(record: GateRecord, latency?: number): EventJson | undefined {
    const success = record.outcome === "forwarded" && record.error === undefined;
    if (success && !isRecorded(record)) return undefined;
    const [type, good, bad] = codesOf(record);
    const code = success ? good : bad;
    if (code === undefined) return undefined;
    const { from, decisionId, decision, target, hidden, bytes } = record;
    const common = from === "client" && record.kind !== "response"
      ? this.#sentJson
      : this.#commonJson;
    let json = `{"type":"${type}","code":"${code}",${common}`;
    json += `,"from":"${from}"`;
    if (decisionId !== undefined) json += `,"decision_id":"${decisionId}"`;
    if (decision) json += `,"decision":${this.#decisionJson(decision)}`;
    if (target) json += `,"${target.kind}":${JSON.stringify(this.#targetName(record, target))}`;
    if (hidden) json += `,"hidden":${hidden}`;
    json += `,"message":${this.#redacted(messageJson(record))},"bytes":${bytes}`;
    if (latency !== undefined) json += `,"latency_ms":${rounded(latency)}`;
    return `${json},"status":${success ? SUCCESS : this.#failure(record)}}`;
  }

  /** A tool is left out of lists until its definition is approved. */
  withheld({ tool, sha256, decision }: Withheld): EventDraft {
    return { type: "mcp.tool.withheld", code: "PMT03W", ...this.#common, tool, sha256, decision };
  }

  get #sent(): { readonly headers?: RecordedHeaders } {
    return this.#headers ? { headers: this.#headers } : {};
  }

  #decisionJson(decision: Decision): string {
    let json = this.#decisions.get(decision);
    if (json === undefined) this.#decisions.set(decision, json = JSON.stringify(decision));
    return json;
  }

  #failure({ outcome, error, reason }: GateRecord): string {
    const told = error && JSON.parse(this.#redacted(JSON.stringify({ error })));
    return JSON.stringify({
      success: false,
      outcome,
      ...(error && { error: told.error.message, error_code: error.code }),
      ...(reason !== undefined && { reason }),
    });
  }

  /** What a path redacts in the message is told nowhere else in the event either. */
  #targetName({ method }: GateRecord, { kind, name }: Target): string {
    if (this.#redactor === undefined) return name;
    const path = targetPath(method, kind);
    const message = path.reduceRight<unknown>(
      (inner, key) => typeof key === "number" ? [inner] : { [key]: inner },
      name,
    );
    let found = this.#redactor.redact(message);
    // Something around it may have become one digest.
    for (const key of path) {
      if (typeof found === "object") found = (found as Record<string | number, unknown>)[key];
    }
    return String(found);
  }

  /** Takes and returns JSON text. */
  #redacted(json: string): string {
    return this.#redactor ? JSON.stringify(this.#redactor.redact(JSON.parse(json))) : json;
  }
}

const TARGET_MEMBERS = { tool: "name", prompt: "name", resource: "uri", task: "taskId" } as const;

/** Where a message names what it acts on. */
function targetPath(method: string | undefined, kind: Target["kind"]): (string | number)[] {
  const member = TARGET_MEMBERS[kind];
  switch (method) {
    case "completion/complete":
      return ["params", "ref", member];
    case "subscriptions/listen":
      return ["params", "notifications", kind === "task" ? "taskIds" : "resourceSubscriptions", 0];
    default:
      return ["params", member];
  }
}

const SUCCESS = '{"success":true}';

/** What clients ask and tell is recorded; servers only when something of theirs is held back. */
function isRecorded({ kind, from, method }: GateRecord): boolean {
  if (kind === "response") return from === "server" && !ROUTINE.has(method ?? "");
  return from === "client" && !ROUTINE.has(method ?? "");
}

/** A type of events, its code for what went well, if that is recorded, and for what did not. */
type Codes = {
  [T in EventType]: readonly [T, EventCode<T> | undefined, EventCode<T>];
}[EventType];

const RESPONSE: Codes = ["mcp.session.response", "PMCP001I", "PMCP001E"];
const FROM_SERVER: Codes = ["mcp.session.server_message", undefined, "PMCP002E"];
const NOTIFICATION: Codes = ["mcp.session.notification", "TMCP004I", "TMCP004E"];
const REQUEST: Codes = ["mcp.session.request", "TMCP003I", "TMCP003E"];

function codesOf({ kind, from }: GateRecord): Codes {
  if (kind === "response") return RESPONSE;
  if (from === "server") return FROM_SERVER;
  return kind === "notification" ? NOTIFICATION : REQUEST;
}

/** Milliseconds, to the microsecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
