/** What a peer is told when a session ends through no act of its own; logs and audit know more. */
import { RelayError } from "../error.ts";
import type { End } from "../wire/handshake.ts";

/** The server could not be started, or has gone. */
export function upstreamEnd(
  code: "UPSTREAM_EXITED" | "UPSTREAM_START_FAILED",
  error: RelayError,
): End {
  const { hint, limit, message } = error;
  if (limit !== undefined) return { code: "LIMIT_EXCEEDED", message, limit };
  return hint === undefined ? { code, message } : { code, message, hint };
}

/** Something of the agent's own has failed. */
export function failureEnd(error: unknown): End {
  return error instanceof RelayError && error.code === "AUDIT_UNAVAILABLE"
    ? { code: "AUDIT_UNAVAILABLE", message: error.message }
    : { code: "INTERNAL", message: "The agent has failed" };
}
