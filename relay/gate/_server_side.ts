/** What the server sends: answers, notifications and, in the legacy era, requests. */
import {
  type ErrorMessage,
  messageId,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
} from "../wire/scanner.ts";
import { type Context, decideListing, targetName } from "./_judge.ts";
import { type Reviewed, reviewInputRequests, reviewResult, reviewSampling } from "./_results.ts";
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
    if (rule === "task" && mayBecomeKnown(name, state, context)) {
      if (state.early.keep(name, { message, record: judged })) return { records: [] };
    }
    return decision.effect === "allow"
      ? passReviewed(message, judged, context)
      : step.drop(judged, "denied");
  }
  if (method === "notifications/cancelled") return serverCancelled(state, message, record);
  return step.pass(message.bytes, record);
}

/** A notice about a task may ask for input, as the answer to a call may. */
function passReviewed(
  message: NotificationMessage,
  record: GateRecord,
  context: Context,
): GateStep {
  const reviewed = reviewInputRequests(message, context);
  return reviewed.pass
    ? step.pass(reviewed.bytes, step.withHidden(record, reviewed))
    : step.drop(record, reviewed.reason);
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
  if (message.kind === "error") {
    return afterNotices(step.pass(message.bytes, known), state, context);
  }
  const reviewed = reviewResult(message, request, context);
  if (!reviewed.pass) {
    const instead = step.answerInstead(request, reviewed.error, known, reviewed.reason);
    return afterNotices(instead, state, context);
  }
  state.listed.note(reviewed.listed, context);
  const passed = step.pass(reviewed.bytes, step.withHidden(known, reviewed));
  return afterNotices(passed, state, context, reviewed.taskId);
}

/** Whether the answer to a call may yet say whose task it is. */
function mayBecomeKnown(taskId: string, state: State, { owner, tasks }: Context): boolean {
  return tasks.find(taskId, owner) === undefined && callsWait(state);
}

function callsWait({ fromClient }: State): boolean {
  for (const { method } of fromClient.entries()) if (method === "tools/call") return true;
  return false;
}

/** An answer, behind the notices that came before it about the task that it made. */
function afterNotices(
  answer: GateStep,
  state: State,
  context: Context,
  taskId?: string,
): GateStep {
  if (state.early.bytes === 0) return answer;
  const before: Uint8Array[] = [];
  const records: GateRecord[] = [];
  for (const { message, record } of taskId === undefined ? [] : state.early.take(taskId)) {
    const decision = decideListing({ kind: "task", name: taskId! }, context);
    const judged = { ...record, decision };
    const notice = decision.effect === "allow"
      ? passReviewed(message, judged, context)
      : step.drop(judged, "denied");
    if (notice.forward) before.push(notice.forward);
    records.push(...notice.records);
  }
  if (!callsWait(state)) records.push(...strangersNotices(state));
  return { ...answer, before, records: [...records, ...answer.records] };
}

/** Notices that turned out to be about nobody's task. */
export function strangersNotices({ early }: State): GateRecord[] {
  return early.take().map(({ record }) => ({ ...record, outcome: "dropped", reason: "denied" }));
}
