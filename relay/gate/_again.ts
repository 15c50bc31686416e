/** Messages that were let pass and have not reached the client: what of them it may still see. */
import { errorReply } from "../wire/refusal.ts";
import { scanMessage } from "../wire/scanner.ts";
import { type Context, decideListing } from "./_judge.ts";
import { reviewInputRequests, reviewResult, reviewSampling } from "./_results.ts";
import { LISTS } from "./methods.ts";
import { ACCESS_CHANGED } from "./_steps.ts";
import type { GateRecord } from "./step.ts";

/** What was let pass, and the record that was made then. */
export interface Passed {
  readonly bytes: Uint8Array;
  readonly record: GateRecord;
  /** Whether the client speaks the modern protocol. */
  readonly modern: boolean;
}

/** The message as it may be shown now; `undefined` if it may not, and nobody waits for it. */
export function judgeAgain(
  { bytes, record, modern }: Passed,
  context: Context,
): Uint8Array | undefined {
  const { kind, method = "", target, error } = record;
  // Errors show nothing of what was asked for.
  if (error !== undefined || record.from !== "server") return bytes;
  if (target !== undefined && decideListing(target, context).effect === "deny") {
    return kind === "response" ? refused(bytes) : undefined;
  }
  if (kind === "request" && method !== "sampling/createMessage") return bytes;
  const scan = scanMessage(bytes);
  if (!scan.ok) return undefined;
  const { message } = scan;
  if (message.kind === "error") return bytes;
  const reviewed = message.kind === "request"
    ? reviewSampling(message, context)
    : message.kind === "result" && LISTS.has(method)
    ? reviewResult(message, { method, modern }, context)
    : reviewInputRequests(message, context);
  if (reviewed.pass) return reviewed.bytes;
  return kind === "response" ? refused(bytes) : undefined;
}

/** Whoever waits for the answer hears that there is none. */
function refused(bytes: Uint8Array): Uint8Array | undefined {
  const scan = scanMessage(bytes);
  if (!scan.ok || scan.message.kind !== "result") return undefined;
  return errorReply(scan.message.id, ACCESS_CHANGED.code, ACCESS_CHANGED.message);
}
