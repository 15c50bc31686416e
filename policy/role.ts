import type { RuleRef } from "./decision.ts";
import type { Expression } from "./expression.ts";
import type { Pattern } from "./pattern/mod.ts";
import type { Position } from "./problem.ts";
import type { Template } from "./template.ts";

/** One role as it was written, parsed and checked; it never changes. */
export interface Role {
  readonly name: string;
  /** `v3` to `v8`. */
  readonly version: string;
  readonly description: string;
  readonly at: Position;
  readonly allow: Conditions;
  readonly deny: Conditions;
  readonly options: RoleOptions;
  /** The whole document as plain data, with the fields that are kept and not enforced. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** One side of a role. */
export interface Conditions {
  readonly namespaces: readonly string[];
  /** Absent and empty alike match no app. */
  readonly labels: LabelSelector | undefined;
  readonly expression: ExpressionRule | undefined;
  readonly tools: readonly ToolRule[];
  /** `undefined` when the field is absent: on the allow side that is "not restricted". */
  readonly resources: readonly PatternRule[] | undefined;
  readonly prompts: readonly PatternRule[] | undefined;
  /** What the holder may do to the cluster's own resources. */
  readonly rules: readonly ResourceRule[];
}

/** Verbs on resources of the cluster, `*` for all. */
export interface ResourceRule {
  readonly ref: RuleRef;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface LabelSelector {
  readonly ref: RuleRef;
  readonly labels: readonly LabelRule[];
}

/** `key: values`; an app fits when its label matches one of the values. */
export interface LabelRule {
  readonly ref: RuleRef;
  readonly key: Template;
  readonly values: readonly PatternRule[];
}

export interface ExpressionRule {
  readonly ref: RuleRef;
  readonly expression: Expression;
}

/** A pattern, or a template that becomes patterns for one principal. */
export interface PatternRule {
  readonly ref: RuleRef;
  readonly template: Template;
  /** Compiled when the role was read, unless the text is a template. */
  readonly pattern: Pattern | undefined;
}

export interface ToolRule extends PatternRule {
  /** What the call's arguments must meet. */
  readonly where: Expression | undefined;
  /** The only definition of the tool that the rule speaks of: 64 hex digits. */
  readonly sha256: string | undefined;
}

export interface RoleOptions {
  /** Seconds. */
  readonly maxSessionTtl: number;
  readonly lock: "strict" | "best_effort";
  /** The rule that wants a person's second factor for each session. */
  readonly sessionMfa: RuleRef | undefined;
  readonly trustedDevice: RuleRef | undefined;
  /** Whether a call may be made again whose outcome is unknown; without it the role is silent. */
  readonly repeats: Repeats | undefined;
}

/** Which calls may be made again, by what the server claims of the tool; `never`: none. */
export type RepeatMode = "never" | "read_only" | "idempotent";

/** A mode, and the option that sets it. */
export interface Repeats {
  readonly mode: RepeatMode;
  readonly by: RuleRef;
}

/** Whom roles are compiled for. */
export interface Subject {
  readonly name: string;
  readonly traits: Traits;
}

export type Traits = Readonly<Record<string, readonly string[]>>;
