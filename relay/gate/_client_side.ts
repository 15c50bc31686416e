/** What the client sends: requests, notifications, and answers to the server's requests. */
import { errorReply } from "../wire/refusal.ts";
import {
  type ErrorMessage,
  messageId,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
} from "../wire/scanner.ts";
import { type Context, deniedContent, judgeRequest } from "./_judge.ts";
import type { State } from "./_state.ts";
import * as step from "./_steps.ts";
import {
  CLIENT_NOTIFICATIONS,
  CLIENT_REQUESTS,
  META_PROTOCOL_VERSION,
  REMOVED_REQUESTS,
} from "./methods.ts";
import { listChangesOf } from "./_listed.ts";
import { isUnrestricted } from "./policy.ts";
import type { GateRecord, GateStep } from "./step.ts";

export function clientRequest(
  state: State,
  message: RequestMessage,
  context: Context,
  bytes: number,
): GateStep {
  const { id, method } = message;
  const record = step.requestRecord("client", message, bytes);
  // Two answers under one id could not be told apart, so the second request gets none, not even
  // a refusal: that would answer the first.
  if (state.fromClient.has(id)) {
    return { records: [{ ...record, outcome: "dropped", reason: "duplicate_id" }] };
  }
  const decisionId = state.newDecisionId();
  if (state.fromClient.full) {
    return step.refuse(id, step.BUSY, { ...record, decisionId, reason: "in_flight_limit" });
  }
  const modern = message.inner.get("_meta")?.member(META_PROTOCOL_VERSION) !== undefined;
  if (modern && REMOVED_REQUESTS.has(method)) {
    const reason = "unknown_method";
    return step.refuse(id, step.UNKNOWN_METHOD, { ...record, decisionId, reason });
  }
  const judged = judgeRequest(message, context, decisionId);
  const { decision, target } = judged;
  const judgedRecord = {
    ...record,
    decisionId,
    ...(decision && { decision }),
    ...(target && { target }),
  };
  if (!judged.pass) {
    return step.refuse(id, judged.error, { ...judgedRecord, reason: judged.reason });
  }
  const wait = method === "tools/call" && target ? state.takeCall?.(target.name) : undefined;
  if (wait !== undefined) {
    return step.refuse(id, step.tooFast(wait), { ...judgedRecord, reason: "rate_limit" });
  }
  const listens = method === "subscriptions/listen"
    ? listChangesOf(message.inner.get("notifications"))
    : undefined;
  // A client that asks first which protocol there is speaks neither yet.
  if (method === "initialize") state.modern = false;
  else if (method !== "server/discover") state.modern ||= modern;
  state.fromClient.add(id, {
    id,
    method,
    decisionId,
    modern,
    ...(target && { target }),
    ...(listens && { listens }),
  });
  const repeatable = method === "tools/call" && target !== undefined &&
    context.hints.repeats(target.name, context.policy);
  return {
    forward: message.bytes,
    ...(repeatable && { repeatable }),
    records: [{ ...judgedRecord, outcome: "forwarded" }],
  };
}

export function clientNotification(
  state: State,
  message: NotificationMessage,
  context: Context,
  bytes: number,
): GateStep {
  const { method } = message;
  const record = step.notificationRecord("client", message, bytes);
  // Some servers run a request without id all the same; nobody would see the answer.
  if (CLIENT_REQUESTS.has(method)) return step.drop(record, "missing_id");
  if (!mayNotify(method, context)) return step.drop(record, "unknown_method");
  if (method !== "notifications/cancelled") return step.pass(message.bytes, record);
  const id = messageId(message.inner.get("requestId"));
  if (id === undefined && message.inner.has("requestId")) return step.drop(record, "bad_params");
  const cancelled = id && state.fromClient.cancel(id);
  if (cancelled === "full") {
    return { ...step.drop(record, "in_flight_limit"), close: step.TOO_MANY };
  }
  return {
    forward: message.bytes,
    records: [
      record,
      ...(cancelled === undefined ? [] : [step.ended(cancelled, "dropped", "cancelled")]),
    ],
  };
}

/** Whether the client may tell the server something of this name. */
export function mayNotify(method: string, { policy }: Context): boolean {
  return CLIENT_NOTIFICATIONS.has(method) || isUnrestricted(policy);
}

export function clientResponse(
  state: State,
  message: ResultMessage | ErrorMessage,
  context: Context,
  bytes: number,
): GateStep {
  const request = message.id && state.fromServer.settle(message.id);
  const record = step.responseRecord("client", message, bytes);
  if (request === undefined) return step.drop(record, "unsolicited");
  if (request === "cancelled") return step.drop(record, "cancelled");
  const known = { ...record, method: request.method };
  return deniedResponse(message, known, context) ?? step.pass(message.bytes, known);
}

/** What is done with an answer that may not pass; `record` names the method of its request. */
export function deniedResponse(
  message: ResultMessage | ErrorMessage,
  record: GateRecord,
  context: Context,
): GateStep | undefined {
  if (message.kind === "error" || !SAMPLED.has(record.method ?? "")) return undefined;
  const denied = deniedContent(message.inner.get("content"), context);
  if (denied === undefined) return undefined;
  const { error, reason, decision, target } = denied;
  return {
    // The server learns that there is no answer, instead of one that it must not act on.
    forward: errorReply(message.id, error.code, error.message, error.data),
    records: [{
      ...record,
      outcome: "refused",
      reason,
      error,
      ...(decision && { decision }),
      ...(target && { target }),
    }],
  };
}

/** Requests that a model's answer comes back for, on the spot or as the result of a task. */
const SAMPLED: ReadonlySet<string> = new Set(["sampling/createMessage", "tasks/result"]);
