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
  | "promptsUnrestricted"
  | "repeats"
  | "resourcesUnrestricted"
  | "toolsUnrestricted"
  | "usesDefinitions"
>;

/**
 * Whether a message that nobody knows may pass.
 * INVARIANT (closed): it might call any tool, read any resource or get any prompt.
 */
export function isUnrestricted(policy: GatePolicy): boolean {
  return policy.toolsUnrestricted && policy.resourcesUnrestricted && policy.promptsUnrestricted;
}
