/** The steps that the gate can take, and the records that go with them. */
import { errorReply, type MessageId, type Refusal } from "../wire/refusal.ts";
import type { Message, NotificationMessage, RequestMessage } from "../wire/scanner.ts";
import type { RpcError } from "./_judge.ts";
import type { ClientRequest } from "./_state.ts";
import { limitMet } from "./limits.ts";
import type { GateClose, GateReason, GateRecord, GateStep, Side, Withheld } from "./step.ts";

/** It goes on as it is. */
export function pass(bytes: Uint8Array, record: GateRecord): GateStep {
  return { forward: bytes, records: [record] };
}

/** Nobody hears of it but the audit log. */
export function drop(record: GateRecord, reason: GateReason): GateStep {
  return { records: [{ ...record, outcome: "dropped", reason }] };
}

/** The sender gets an error instead of an answer; one about a limit names it. */
export function refuse(id: MessageId | undefined, error: RpcError, record: GateRecord): GateStep {
  const limit = limitMet(record);
  const { code, message, data = limit && `limit ${limit}` } = error;
  return {
    reply: errorReply(id, code, message, data),
    records: [{ ...record, outcome: "refused", error: { code, message } }],
  };
}

/** The client gets an error instead of the server's answer. */
export function answerInstead(
  { id }: ClientRequest,
  { code, message }: RpcError,
  record: GateRecord,
  reason: GateReason,
): GateStep {
  return {
    forward: errorReply(id, code, message),
    records: [{ ...record, outcome: "refused", reason, error: { code, message } }],
  };
}

export function requestRecord(from: Side, message: RequestMessage, bytes: number): GateRecord {
  const { id, method, params } = message;
  return {
    kind: "request",
    from,
    outcome: "forwarded",
    method,
    id: id.json,
    bytes,
    ...(params && { params }),
  };
}

export function notificationRecord(
  from: Side,
  { method, params }: NotificationMessage,
  bytes: number,
): GateRecord {
  return {
    kind: "notification",
    from,
    outcome: "forwarded",
    method,
    bytes,
    ...(params && { params }),
  };
}

export function responseRecord(
  from: Side,
  message: Exclude<Message, { kind: "request" | "notification" }>,
  bytes: number,
): GateRecord {
  const error = message.kind === "error"
    ? {
      code: Number(message.inner.get("code")?.text()) || 0,
      message: message.inner.get("message")?.string()?.slice(0, MAX_ERROR_LENGTH) ?? "",
    }
    : undefined;
  return {
    kind: "response",
    from,
    outcome: "forwarded",
    bytes,
    ...(message.id && { id: message.id.json }),
    ...(error && { error }),
  };
}

export function invalidRecord(from: Side, { id, method }: Refusal, bytes: number): GateRecord {
  return {
    kind: "invalid",
    from,
    outcome: "dropped",
    bytes,
    ...(id && { id: id.json }),
    ...(method !== undefined && { method }),
  };
}

/** What the record of an answer repeats of its request. */
export function about(
  { id, method, decisionId, target }: ClientRequest,
): Pick<GateRecord, "id" | "method" | "decisionId" | "target"> {
  return { id: id.json, method, decisionId, ...(target && { target }) };
}

/** The record of a request that will have no answer. */
export function ended(
  request: ClientRequest,
  outcome: "refused" | "dropped",
  reason: GateReason,
): GateRecord {
  return { kind: "response", from: "server", outcome, reason, bytes: 0, ...about(request) };
}

export function withHidden(
  record: GateRecord,
  { hidden, withheld = [] }: { hidden: number; withheld?: readonly Withheld[] },
): GateRecord {
  if (hidden === 0) return record;
  return { ...record, hidden, ...(withheld.length > 0 && { withheld }) };
}

/** How much of a peer's error text the audit log is asked to keep. */
const MAX_ERROR_LENGTH = 1024;

export const BUSY: RpcError = { code: -32603, message: "Too many requests are in flight" };
/** The caller has used up its rate, and may try again after so many milliseconds. */
export function tooFast(milliseconds: number): RpcError {
  const seconds = Math.ceil(milliseconds / 100) / 10;
  return {
    code: -32603,
    message: `This tool is called too often: try again in ${seconds} s`,
    data: `limit calls_per_second, retry after ${milliseconds} ms`,
  };
}

export const UNKNOWN_METHOD: RpcError = { code: -32601, message: "Method not found" };
export const NO_ACCESS: RpcError = {
  code: -32603,
  message: "Access to this app is denied by your roles. Contact your Postern administrator",
};
export const ACCESS_CHANGED: RpcError = {
  code: -32602,
  message: "Your roles do not allow this answer any more. Contact your Postern administrator",
};
export const ACCESS_LOST: GateClose = { code: "ACCESS_DENIED", message: NO_ACCESS.message };
export const TOO_MANY: GateClose = {
  code: "LIMIT_EXCEEDED",
  message:
    "The session has more cancelled requests without an answer than it may (cancelled_requests)",
};
