import type { ReplayReport } from "./replay_report.ts";
import { EVERYTHING, type PolicyChange, type PolicyDiff } from "./diff.ts";

const SIGNS = { gains: "+", loses: "-", changes: "~" } as const;

/** A comparison for people: by principal and app, what is gained and lost, and by which rule. */
export function formatPolicyDiff({ changes, undecided }: PolicyDiff): string {
  const lines: string[] = [];
  let heading = "";
  for (const change of changes) {
    const next = `${change.subject} on ${change.app.name}`;
    if (next !== heading) lines.push(...lines.length > 0 ? [""] : [], next);
    heading = next;
    lines.push(
      `  ${SIGNS[change.effect]} ${subjectOf(change)}`,
      `      before: ${change.before}`,
      `      after:  ${change.after}`,
    );
  }
  if (changes.length === 0) lines.push("No difference");
  for (const doubt of undecided) lines.push(`Not compared: ${doubt}`);
  return `${lines.join("\n")}\n`;
}

/** A comparison for programs, with what it would have made of recorded calls. */
export function policyDiffJson(diff: PolicyDiff, replay?: ReplayReport): string {
  return `${JSON.stringify({ ...diff, ...(replay && { replay }) }, null, 2)}\n`;
}

function subjectOf({ what, name, pattern }: PolicyChange): string {
  if (what === "app") return "the app";
  if (pattern === EVERYTHING) return `every ${what}`;
  if (pattern === undefined || pattern === name) return `${what} ${name}`;
  return `${what}s of ${pattern}, for instance ${JSON.stringify(name)}`;
}
