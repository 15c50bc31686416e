/** What the agent asks a server itself: no client has sent it, and no role is asked about it. */
import type { Redactor } from "../../identity/audit/mod.ts";
import type { EventDraft } from "../../identity/mod.ts";
import type { Outgoing } from "../http/outgoing.ts";
import { messageJson } from "./_message_json.ts";

export interface OwnRequest {
  readonly message: Outgoing;
  /** Why, in words for the audit log. */
  readonly because: string;
}

/** Resolves when the request is on record and may be sent. */
export type RecordOwn = (request: OwnRequest) => Promise<void>;

/** The event for it; it tells nothing of any caller. */
export function ownRequestEvent(
  { message, because }: OwnRequest,
  redactor: Redactor | undefined,
): EventDraft {
  const told: unknown = JSON.parse(messageJson(message));
  return {
    type: "mcp.agent.request",
    code: "PMCP004I",
    from: "agent",
    because,
    message: redactor ? redactor.redact(told) : told,
    bytes: message.bytes.length,
    status: { success: true },
  };
}
