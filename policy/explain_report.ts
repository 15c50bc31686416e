import { describeWhat } from "./ask.ts";
import { describeDecision, type RuleRef } from "./decision.ts";
import type { Explanation, RoleVerdict } from "./explain.ts";
import type { Position } from "./problem.ts";
import type { RepeatMode } from "./role.ts";

/** Rules that are listed for a role; the others are counted. */
const MAX_RULES = 10;

/** One explanation for people: the answer, then what each role says. */
export function formatExplanation({ what, decision, roles, change, repeats }: Explanation): string {
  const lines = [`To ${describeWhat(what)}`, describeDecision(decision)];
  for (const verdict of roles) {
    lines.push(`  ${verdict.role} (${verdict.at.file}:${verdict.at.line}): ${says(verdict)}`);
  }
  if (repeats) lines.push(`${REPEATED[repeats.mode]}, by ${place(repeats.by)}`);
  const turned = decision.effect === "allow" ? "deny" : "allow";
  for (const [index, { message, at: place }] of (change ?? []).entries()) {
    const start = index === 0 ? `To ${turned} it:` : "and";
    lines.push(`${start} ${message}${place ? at(place) : ""}`);
  }
  return `${lines.join("\n")}\n`;
}

/** What becomes of a call whose outcome is unknown, since its server died under it. */
const REPEATED: Readonly<Record<RepeatMode, string>> = {
  never: "It is never made again",
  read_only: "It may be made again if the server calls the tool read-only",
  idempotent: "It may be made again if the server calls the tool read-only or idempotent",
};

/** How far a role must come to be worth naming, the nearest first. */
const NEAR = [
  "condition_not_met",
  "definition_not_pinned",
  "session_mfa_required",
  "trusted_device_required",
  "name_not_matched",
  "app_not_matched",
] as const;

/** The role that came nearest to allowing what is denied, and what it lacks. */
export function nearestMiss({ decision, roles }: Explanation): string | undefined {
  if (decision.effect === "allow") return undefined;
  for (const how of NEAR) {
    const near = roles.find((verdict) => verdict.says === how);
    if (near) return `${near.role} ${says(near)}`;
  }
  return undefined;
}

/** Explanations for programs. */
export function explanationsJson(explanations: readonly Explanation[]): string {
  const asks = explanations.map(({ what, decision, roles, change, repeats }) => ({
    what,
    ...decision,
    roles,
    change,
    ...(repeats && { repeats }),
  }));
  return `${JSON.stringify({ asks }, null, 2)}\n`;
}

function says(verdict: RoleVerdict): string {
  switch (verdict.says) {
    case "allow":
      return `allows it, by ${place(verdict.by)}`;
    case "deny":
      return `denies it, by ${place(verdict.by)}`;
    case "app_not_matched": {
      const misses = verdict.misses.map(({ message, by }) => message + (by ? at(by) : ""));
      return `does not open the app: ${misses.join("; ")}`;
    }
    case "name_not_matched": {
      if (verdict.rules.length === 0) return "opens the app, and allows nothing of this kind in it";
      const listed = verdict.rules.slice(0, MAX_RULES).map((r) => JSON.stringify(r.rule) + at(r));
      const more = verdict.rules.length - listed.length;
      return `opens the app; not matched by ${listed.join(", ")}${more ? `, ${more} more` : ""}`;
    }
    case "session_mfa_required":
      return `allows it only with MFA, by ${place(verdict.by)}`;
    case "trusted_device_required":
      return `allows it only to a trusted device, by ${place(verdict.by)}`;
    case "condition_not_met":
      return `allows it, but not with these arguments, by ${place(verdict.by)}`;
    case "definition_not_pinned":
      return `allows it, but not with this definition, by ${place(verdict.by)}`;
  }
}

function place(ref: RuleRef): string {
  return `${ref.path} ${JSON.stringify(ref.rule)}${at(ref)}`;
}

function at({ file, line }: Position): string {
  return ` (${file}:${line})`;
}
