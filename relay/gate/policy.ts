import type { AppPolicy } from "../../policy/mod.ts";

export type { Decision } from "../../policy/mod.ts";

/** What the gate asks of a policy. Nothing here can fail. */
export type GatePolicy = Pick<
  AppPolicy,
  | "access"
  | "decidePrompt"
  | "decideResource"
  | "decideTool"
  | "listTool"
  | "toolsUnrestricted"
  | "usesDefinitions"
>;
