/** Lines that are no message: who hears what of them. */
import type { Refusal } from "../wire/refusal.ts";
import type { State } from "./_state.ts";
import * as step from "./_steps.ts";
import type { GateStep } from "./step.ts";

export function invalidFromClient(
  state: State,
  refusal: Refusal,
  bytes: number,
): GateStep {
  const record = step.invalidRecord("client", refusal, bytes);
  const { id, code, message } = refusal;
  // Never an error under an id that a request in flight has: it would pass for its answer.
  if (!refusal.reply || (id !== undefined && state.fromClient.has(id))) {
    return step.drop(record, refusal.reason);
  }
  return step.refuse(id, { code, message }, { ...record, reason: refusal.reason });
}

export function invalidFromServer(
  state: State,
  refusal: Refusal,
  bytes: number,
): GateStep {
  const record = step.invalidRecord("server", refusal, bytes);
  const { id, code, message } = refusal;
  if (id === undefined) return step.drop(record, refusal.reason);
  if (refusal.reply) {
    if (state.fromServer.has(id)) return step.drop(record, refusal.reason);
    return step.refuse(id, { code, message }, { ...record, reason: refusal.reason });
  }
  const request = state.fromClient.settle(id);
  if (request === undefined || request === "cancelled") return step.drop(record, refusal.reason);
  const error = { code: -32603, message: `The server's answer cannot be passed on: ${message}` };
  return step.answerInstead(
    request,
    error,
    { ...record, ...step.about(request) },
    refusal.reason,
  );
}
