import type { Position } from "./problem.ts";

/** The rule behind a decision, and where it is written. */
export interface RuleRef extends Position {
  readonly role: string;
  /** For instance `spec.allow.mcp.tools[2]`. */
  readonly path: string;
  /** The rule as written. */
  readonly rule: string;
}

/** What a policy answers. It is a value: the same ask gets the same decision. */
export type Decision =
  | { readonly effect: "allow"; readonly by: RuleRef }
  /** No rule of any role that fits the app allows it. */
  | { readonly effect: "deny"; readonly because: "no_match" }
  /** A rule under `spec.deny` forbids it; nothing can outweigh that. */
  | { readonly effect: "deny"; readonly because: "denied_by_rule"; readonly by: RuleRef }
  /** A role that opens the app wants a person present; a machine cannot be one. */
  | { readonly effect: "deny"; readonly because: "session_mfa_required"; readonly by: RuleRef }
  | { readonly effect: "deny"; readonly because: "trusted_device_required"; readonly by: RuleRef }
  /** A rule allows the tool, but not with these arguments. */
  | { readonly effect: "deny"; readonly because: "condition_not_met"; readonly by: RuleRef }
  /** A rule allows the tool, but pins a definition other than the one that the server offers. */
  | { readonly effect: "deny"; readonly because: "definition_not_pinned"; readonly by: RuleRef };

/** One sentence for people: the answer and the rule that gave it. */
export function describeDecision(decision: Decision): string {
  if (decision.effect === "allow") return `Allowed by ${describeRule(decision.by)}`;
  switch (decision.because) {
    case "no_match":
      return "Denied: no role allows it";
    case "denied_by_rule":
      return `Denied by ${describeRule(decision.by)}`;
    case "session_mfa_required":
      return `Denied: a machine cannot pass the MFA required by ${describeRule(decision.by)}`;
    case "trusted_device_required":
      return `Denied: a machine is not the trusted device required by ${describeRule(decision.by)}`;
    case "condition_not_met":
      return `Denied: the arguments do not meet ${describeRule(decision.by)}`;
    case "definition_not_pinned":
      return `Denied: the tool's definition is not the one pinned by ${describeRule(decision.by)}`;
    default:
      return unreachable(decision);
  }
}

function describeRule({ role, path, rule, file, line }: RuleRef): string {
  return `role "${role}", ${path} ${JSON.stringify(rule)} (${file}:${line})`;
}

/** Makes the compiler prove that a `switch` names every case. */
export function unreachable(value: never): never {
  throw new TypeError(`Not a known case: ${JSON.stringify(value)}`);
}
