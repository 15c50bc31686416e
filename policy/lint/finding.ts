import type { RuleRef } from "../decision.ts";
import type { Position, Problem } from "../problem.ts";

export type Severity = "error" | "warning" | "info";

/** What lint looks for. Each id has a page, docs/lint/<id>.md. */
export const LINT_RULES = {
  "invalid-role": { severity: "error", summary: "A role that does not compile" },
  "not-enforced": { severity: "info", summary: "A field that is kept and has no effect here" },
  "shadowed-allow": { severity: "warning", summary: "An allow rule that is denied in full" },
  "covered-rule": { severity: "warning", summary: "A rule that another rule covers" },
  "never-matches": { severity: "warning", summary: "A pattern that matches nothing" },
  "grants-everything": { severity: "info", summary: "A rule that grants everything" },
  "regex-in-glob": { severity: "info", summary: "Characters of an expression in plain text" },
  "glob-in-regex": { severity: "info", summary: "An expression whose * repeats a letter" },
  "loose-alternation": { severity: "warning", summary: "An alternation wider than it looks" },
  "no-app": { severity: "warning", summary: "Rules of a role that opens no app" },
  "repeats-nothing": { severity: "warning", summary: "Repeats calls of a role that allows none" },
  "unknown-label": { severity: "warning", summary: "A label that no app has" },
  "unknown-tool": { severity: "warning", summary: "A tool that no server offers" },
  "unknown-argument": { severity: "warning", summary: "An argument that no tool takes" },
  "mistyped-argument": { severity: "warning", summary: "An argument taken for what it is not" },
  "unheld-role": { severity: "info", summary: "A role that nobody holds" },
} as const satisfies Record<string, { severity: Severity; summary: string }>;

export type LintRule = keyof typeof LINT_RULES;

/** One thing that lint has found. It is exact: what may be otherwise is not reported. */
export interface Finding {
  readonly rule: LintRule;
  readonly severity: Severity;
  readonly at: Position;
  readonly message: string;
  readonly hint?: string;
  /** A name that shows it. */
  readonly witness?: string;
  /** The other rules that it is about. */
  readonly related?: readonly { readonly at: Position; readonly message: string }[];
}

export interface FindingDetails {
  readonly hint?: string;
  readonly witness?: string;
  readonly related?: readonly RuleRef[];
}

/** A finding about the place of a rule or role. */
export function finding(
  rule: LintRule,
  { file, line, column }: Position,
  message: string,
  { related, ...details }: FindingDetails = {},
): Finding {
  const at = { file, line, column };
  const { severity } = LINT_RULES[rule];
  const others = related?.map((ref) => ({
    at: { file: ref.file, line: ref.line, column: ref.column },
    message: `${ref.path}: ${ref.rule}`,
  }));
  return { rule, severity, at, message, ...details, ...(others && { related: others }) };
}

/** What the parser found, in the form of lint's findings. */
export function problemFinding(
  { at, message, hint }: Problem,
  rule: "invalid-role" | "not-enforced" = "invalid-role",
): Finding {
  return finding(rule, at, message, hint === undefined ? {} : { hint });
}
