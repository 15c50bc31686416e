import { randomUUID } from "node:crypto";
import type { AppLimits, SessionClaims } from "../../identity/mod.ts";
import { Gate } from "../gate/gate.ts";
import { GATE_LIMITS } from "../gate/limits.ts";
import type { GatePolicy } from "../gate/mod.ts";
import type { TaskRegistry } from "../gate/tasks.ts";
import type { CallRates } from "./call_rate.ts";

export interface SessionGateOptions {
  readonly claims: SessionClaims;
  readonly limits: AppLimits;
  readonly rates: CallRates;
  readonly tasks: TaskRegistry;
  /** The policy as it is now. */
  readonly policy: () => GatePolicy;
}

/** The gate of one session, within the limits of its app. */
export function sessionGate(options: SessionGateOptions): Gate {
  const { claims: { bot, instance }, limits, policy, tasks } = options;
  return new Gate({
    policy,
    newDecisionId: randomUUID,
    tasks,
    owner: `${bot}/${instance}`,
    limits: {
      ...GATE_LIMITS,
      messageDepth: limits.messageDepth,
      clientRequests: limits.pendingRequests,
    },
    takeCall: takeCall(options),
  });
}

function takeCall(
  { claims: { app, bot }, limits, rates }: SessionGateOptions,
): ((tool: string) => number | undefined) | undefined {
  const { callsBurst, callsPerSecond: perSecond } = limits;
  if (perSecond === undefined) return undefined;
  const rate = { perSecond, burst: callsBurst ?? Math.max(1, Math.ceil(perSecond)) };
  return (tool) => rates.take({ bot, app, tool }, rate);
}
