/** Messages of the client that were let pass and have not gone yet: whether they still may. */
import { scanMessage } from "../wire/scanner.ts";
import { deniedResponse, mayNotify } from "./_client_side.ts";
import { type Context, judgeRequest } from "./_judge.ts";
import type { State } from "./_state.ts";
import * as step from "./_steps.ts";
import type { GateRecord, GateStep } from "./step.ts";

export interface Late {
  readonly bytes: Uint8Array;
  /** The record that was made when it was let pass. */
  readonly record: GateRecord;
}

/** What is done in place of passing it on; `undefined` if it may go as it is. */
export function judgeLate(
  state: State,
  { bytes, record }: Late,
  context: Context,
): GateStep | undefined {
  // The session is about to end, and says why.
  if (context.policy.access.effect === "deny") return { records: [] };
  const scan = scanMessage(bytes);
  if (!scan.ok) return step.drop(record, scan.refusal.reason);
  const { message } = scan;
  switch (message.kind) {
    case "notification":
      return mayNotify(message.method, context) ? undefined : step.drop(record, "unknown_method");
    case "request":
      break;
    default:
      return deniedResponse(message, record, context);
  }
  const { decisionId = "" } = state.fromClient.get(message.id) ?? {};
  const judged = judgeRequest(message, context, decisionId);
  if (judged.pass) return undefined;
  const request = state.fromClient.settle(message.id);
  // Cancelled meanwhile: nobody waits for an answer.
  if (request === undefined || request === "cancelled") return { records: [] };
  const { decision, error, reason } = judged;
  const ended = step.ended(request, "refused", reason);
  return step.refuse(message.id, error, { ...ended, ...(decision && { decision }) });
}
