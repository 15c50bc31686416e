/** What the server sends: answers, notifications and, in the legacy era, requests. */
import {
  type ErrorMessage,
  messageId,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
} from "../wire/scanner.ts";
import { type Context, decideListing, targetName } from "./_judge.ts";
import { type Reviewed, reviewResult, reviewSampling } from "./_results.ts";
import type { State } from "./_state.ts";
import * as step from "./_steps.ts";
import { SERVER_NOTIFICATIONS, SERVER_REQUESTS } from "./methods.ts";
import { isUnrestricted } from "./policy.ts";
import type { GateRecord, GateStep, Target } from "./step.ts";

export function serverRequest(
  state: State,
  message: RequestMessage,
  context: Context,
  bytes: number,
): GateStep {
  const { id, method } = message;
  const record = step.requestRecord("server", message, bytes);
  if (state.fromServer.has(id)) return step.drop(record, "duplicate_id");
  if (state.fromServer.full) {
    return step.refuse(id, step.BUSY, { ...record, reason: "in_flight_limit" });
  }
  if (!SERVER_REQUESTS.has(method) && !isUnrestricted(context.policy)) {
    return step.refuse(id, step.UNKNOWN_METHOD, { ...record, reason: "unknown_method" });
  }
  const reviewed: Reviewed = method === "sampling/createMessage"
    ? reviewSampling(message, context)
    : { pass: true, bytes: message.bytes, hidden: 0, listed: [] };
  if (!reviewed.pass) {
    return step.refuse(id, reviewed.error, { ...record, reason: reviewed.reason });
  }
  state.fromServer.add(id, { id, method });
  return step.pass(reviewed.bytes, step.withHidden(record, reviewed));
}

export function serverNotification(
  state: State,
  message: NotificationMessage,
  context: Context,
  bytes: number,
): GateStep {
  const { method, inner } = message;
  const record = step.notificationRecord("server", message, bytes);
  const rule = SERVER_NOTIFICATIONS.get(method);
  if (rule === undefined) {
    return isUnrestricted(context.policy)
      ? step.pass(message.bytes, record)
      : step.drop(record, "unknown_method");
  }
  if (rule !== "open") {
    const name = targetName(rule, inner.get(rule === "resource" ? "uri" : "taskId"));
    if (name === undefined) return step.drop(record, "bad_params");
    const target: Target = { kind: rule, name };
    const decision = decideListing(target, context);
    const judged = { ...record, target, decision };
    return decision.effect === "allow"
      ? step.pass(message.bytes, judged)
      : step.drop(judged, "denied");
  }
  if (method === "notifications/cancelled") return serverCancelled(state, message, record);
  return step.pass(message.bytes, record);
}

/** The server withdraws a request of its own or, in the modern era, ends a subscription. */
function serverCancelled(
  state: State,
  message: NotificationMessage,
  record: GateRecord,
): GateStep {
  const id = messageId(message.inner.get("requestId"));
  if (id === undefined) return step.drop(record, "bad_params");
  const listens = state.fromClient.get(id)?.method === "subscriptions/listen";
  const cancelled = listens ? state.fromClient.cancel(id) : state.fromServer.cancel(id);
  if (cancelled === "full") {
    return { ...step.drop(record, "in_flight_limit"), close: step.TOO_MANY };
  }
  return step.pass(message.bytes, record);
}

export function serverResponse(
  state: State,
  message: ResultMessage | ErrorMessage,
  context: Context,
  bytes: number,
): GateStep {
  const request = message.id && state.fromClient.settle(message.id);
  const record = step.responseRecord("server", message, bytes);
  if (request === undefined) return step.drop(record, "unsolicited");
  if (request === "cancelled") return step.drop(record, "cancelled");
  const known: GateRecord = {
    ...record,
    ...step.about(request),
    ...(request.method === "initialize" && message.kind === "result" && { result: message.result }),
  };
  if (message.kind === "error") return step.pass(message.bytes, known);
  const reviewed = reviewResult(message, request, context);
  if (!reviewed.pass) return step.answerInstead(request, reviewed.error, known, reviewed.reason);
  state.listed.note(reviewed.listed, context);
  return step.pass(reviewed.bytes, step.withHidden(known, reviewed));
}
