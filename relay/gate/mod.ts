/** The gate: decisions on messages between an MCP client and a server. */
export { Gate, type GateOptions } from "./gate.ts";
export { GATE_LIMITS, type GateLimits } from "./limits.ts";
export type { Decision, GatePolicy } from "./policy.ts";
export type {
  GateClose,
  GateReason,
  GateRecord,
  GateStep,
  PolicyStep,
  Side,
  Target,
  TargetKind,
} from "./step.ts";
export { type Task, TaskRegistry } from "./tasks.ts";
