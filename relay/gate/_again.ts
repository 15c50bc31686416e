/** Messages that were let pass and have not reached the client: what of them it may still see. */
import { errorReply } from "../wire/refusal.ts";
import { scanMessage } from "../wire/scanner.ts";
import { type Context, decideListing } from "./_judge.ts";
import { reviewInputRequests, reviewResult, reviewSampling } from "./_results.ts";
import { LISTS } from "./methods.ts";
import { ACCESS_CHANGED, withHidden } from "./_steps.ts";
import type { GateReason, GateRecord } from "./step.ts";

/** What was let pass, and the record that was made then. */
export interface Passed {
  readonly bytes: Uint8Array;
  readonly record: GateRecord;
  /** Whether the client speaks the modern protocol. */
  readonly modern: boolean;
}

/** The message as it may be shown now, and the records of what has changed about it. */
export interface Again {
  /** Absent: nobody hears of it. */
  readonly bytes?: Uint8Array;
  readonly records: readonly GateRecord[];
}

export function judgeAgain({ bytes, record, modern }: Passed, context: Context): Again {
  const { method = "", target, error } = record;
  // Errors show nothing of what was asked for.
  if (error !== undefined || record.from !== "server") return { bytes, records: [] };
  if (target !== undefined) {
    const decision = decideListing(target, context);
    if (decision.effect === "deny") return heldBack(bytes, { ...record, decision }, "denied");
  }
  if (record.kind === "request" && method !== "sampling/createMessage") {
    return { bytes, records: [] };
  }
  const scan = scanMessage(bytes);
  if (!scan.ok) return heldBack(bytes, record, scan.refusal.reason);
  const { message } = scan;
  if (message.kind === "error") return { bytes, records: [] };
  const reviewed = message.kind === "request"
    ? reviewSampling(message, context)
    : message.kind === "result" && LISTS.has(method)
    ? reviewResult(message, { method, modern }, context)
    : reviewInputRequests(message, context);
  if (!reviewed.pass) return heldBack(bytes, record, reviewed.reason);
  const records = reviewed.hidden > 0 ? [withHidden(record, reviewed)] : [];
  return { bytes: reviewed.bytes, records };
}

/** Whoever waits for an answer hears that there is none. */
function heldBack(bytes: Uint8Array, record: GateRecord, reason: GateReason): Again {
  const scan = record.kind === "response" ? scanMessage(bytes) : undefined;
  if (!scan?.ok || scan.message.kind !== "result") {
    return { records: [{ ...record, outcome: "dropped", reason }] };
  }
  const { code, message } = ACCESS_CHANGED;
  return {
    bytes: errorReply(scan.message.id, code, message),
    records: [{ ...record, outcome: "refused", reason, error: { code, message } }],
  };
}
