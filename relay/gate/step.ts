import type { JsonView } from "../wire/json.ts";
import type { RefusalReason } from "../wire/refusal.ts";
import type { Decision } from "./policy.ts";

/** What to do with a line after the gate has seen it. Bytes are compact JSON without a line end. */
export interface GateStep {
  /** For the side that the line was not from. */
  readonly forward?: Uint8Array;
  /** It is a call that may be made again, should nobody know what has become of it. */
  readonly repeatable?: boolean;
  /** For the same side, ahead of it: messages that could not be judged when they came. */
  readonly before?: readonly Uint8Array[];
  /** For the side that the line was from. */
  readonly reply?: Uint8Array;
  /** For the audit log, before anything is sent. */
  readonly records: readonly GateRecord[];
  /** The session is over once `reply` and `forward` are out. */
  readonly close?: GateClose;
}

/** What a change of policy means for an open session. */
export interface PolicyStep {
  /** For the client, in this order. */
  readonly messages: readonly Uint8Array[];
  readonly records: readonly GateRecord[];
  readonly close?: GateClose;
}

export interface GateClose {
  readonly code: "ACCESS_DENIED" | "LIMIT_EXCEEDED";
  readonly message: string;
}

export type Side = "client" | "server";

/** One message, as the audit log wants to know it. */
export interface GateRecord {
  readonly kind: "request" | "notification" | "response" | "invalid";
  readonly from: Side;
  /** `dropped`: nobody was told; `refused`: the sender, or who waits for the answer, got an error. */
  readonly outcome: "forwarded" | "refused" | "dropped";
  /** Why it was not forwarded as it came. */
  readonly reason?: GateReason;
  /** Of the request, in the record of its response too. */
  readonly method?: string;
  /** The id as JSON text. */
  readonly id?: string;
  /** Pairs the record of a response with that of its request. */
  readonly decisionId?: string;
  /** What the method acts on: a tool, resource, prompt or task. */
  readonly target?: Target;
  readonly decision?: Decision;
  /** Length of the line as it came, without its end. */
  readonly bytes: number;
  readonly params?: JsonView;
  /** Of the answer to `initialize`. */
  readonly result?: JsonView;
  /** What a response reports, or what was answered instead. */
  readonly error?: { readonly code: number; readonly message: string };
  /** Entries taken out of a list or definitions out of a request. */
  readonly hidden?: number;
  /** Of the hidden ones, tools that a role lists with another definition. */
  readonly withheld?: readonly Withheld[];
}

/** A tool whose definition is not the pinned one. */
export interface Withheld {
  readonly tool: string;
  /** The digest of the definition that the server offers. */
  readonly sha256: string;
  readonly decision: Decision;
}

export type GateReason =
  | RefusalReason
  | "access_denied"
  | "cancelled"
  | "denied"
  | "duplicate_id"
  | "in_flight_limit"
  | "invalid_list"
  | "missing_id"
  | "rate_limit"
  | "session_ended"
  | "task_not_owned"
  | "unknown_method"
  | "unsolicited";

export interface Target {
  readonly kind: TargetKind;
  readonly name: string;
}

export type TargetKind = "tool" | "resource" | "prompt" | "task";
