import type { LimitName } from "../limit.ts";
import { MAX_DEPTH } from "../wire/compact.ts";
import type { GateRecord } from "./step.ts";

/** How much a peer can make the gate remember. Past a limit it refuses; it never forgets. */
export interface GateLimits {
  /** Objects and lists of one message inside one another. */
  readonly messageDepth: number;
  /** Requests of the client that wait for an answer. */
  readonly clientRequests: number;
  /** Requests of the server that wait for an answer. */
  readonly serverRequests: number;
  /** Cancelled requests whose late answers are still awaited, to be dropped. */
  readonly cancelled: number;
  /** Names remembered from lists, to tell whether a change of policy shows. */
  readonly listedNames: number;
  /** The length of these names together. */
  readonly listedNameChars: number;
  /** Tasks remembered for one app over all its sessions. */
  readonly tasks: number;
}

export const GATE_LIMITS: GateLimits = {
  messageDepth: MAX_DEPTH,
  clientRequests: 10_000,
  serverRequests: 1_000,
  cancelled: 65_536,
  listedNames: 10_000,
  listedNameChars: 1024 * 1024,
  tasks: 10_000,
};

/** The limit that a message met, by the reason that it was stopped for. */
export function limitMet(
  { from, kind, reason }: Pick<GateRecord, "from" | "kind" | "reason">,
): LimitName | undefined {
  switch (reason) {
    case "too_large":
      return "message_size";
    case "too_deep":
      return "message_depth";
    case "rate_limit":
      return "calls_per_second";
    case "in_flight_limit":
      if (kind === "notification") return "cancelled_requests";
      return from === "client" ? "pending_requests" : "server_requests";
    default:
      return undefined;
  }
}
