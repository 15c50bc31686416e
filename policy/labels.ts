/**
 * Whether an app fits the labels that one side of a role names. Templates are expanded for the
 * principal first; values are patterns only after that.
 */
import { compilePattern, type Pattern } from "./pattern/mod.ts";
import { bindExpression } from "./bind.ts";
import type { RuleRef } from "./decision.ts";
import type { Problem } from "./problem.ts";
import type { Conditions, LabelRule, LabelSelector, PatternRule, Subject } from "./role.ts";
import { expandTemplate } from "./template.ts";

/** An app, as roles see it. */
export interface AppFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Definitions that somebody has approved, by tool: they meet every pin that allows the tool. */
  readonly approved?: Approved | undefined;
}

/** SHA-256 digests of definitions, by the name of the tool. */
export type Approved = ReadonlyMap<string, ReadonlySet<string>>;

/** The namespace of every app; namespaces are a thing of the past that old roles still name. */
const NAMESPACE = "default";

export function namespaceFits(conditions: Conditions): boolean {
  return conditions.namespaces.some((name) => name === NAMESPACE || name === "*");
}

/** The rule by which an allow side opens the app: labels and expression, where both are set. */
export function allowsApp(
  allow: Conditions,
  subject: Subject,
  app: AppFacts,
  problems: Problem[],
): RuleRef | undefined {
  if (!namespaceFits(allow)) return undefined;
  const { labels, expression } = allow;
  const byLabels = labels && labels.labels.length > 0 ? labels : undefined;
  if (!byLabels && !expression) return undefined;
  const matched = byLabels && selectorFits(byLabels, subject, app, problems);
  if (byLabels && !matched) return undefined;
  if (expression && !expressionFits(allow, subject, app, problems)) return undefined;
  return matched ?? expression?.ref;
}

/** The rule by which a deny side closes the app: labels or expression. */
export function deniesApp(
  deny: Conditions,
  subject: Subject,
  app: AppFacts,
  problems: Problem[],
): RuleRef | undefined {
  if (!namespaceFits(deny)) return undefined;
  const byLabels = deny.labels && selectorFits(deny.labels, subject, app, problems);
  const byExpression = expressionFits(deny, subject, app, problems);
  return byLabels ?? (byExpression ? deny.expression?.ref : undefined);
}

/** The selector, if the app fits all of it. */
function selectorFits(
  selector: LabelSelector,
  subject: Subject,
  app: AppFacts,
  problems: Problem[],
): RuleRef | undefined {
  const { ref, labels } = selector;
  if (labels.length === 0) return undefined;
  // `'*': '*'` matches every app, whatever stands beside it.
  for (const label of labels) if (isAnyLabel(label, subject)) return ref;
  for (const label of labels) {
    if (labelValue(label, subject, app) === undefined) return undefined;
  }
  // Every value is judged, so that a bad pattern is found whatever stands before it.
  let fits = true;
  for (const label of labels) {
    const value = labelValue(label, subject, app) ?? "";
    if (!valueFits(label, value, subject, problems)) fits = false;
  }
  return fits ? ref : undefined;
}

/** The app's label that a rule speaks of; a key whose trait is missing is the empty key. */
export function labelValue(rule: LabelRule, subject: Subject, app: AppFacts): string | undefined {
  const key = keyOf(rule, subject);
  return Object.hasOwn(app.labels, key) ? app.labels[key] : undefined;
}

function keyOf({ key }: LabelRule, subject: Subject): string {
  return key.kind === "literal" ? key.text : expandTemplate(key, subject.traits).values[0] ?? "";
}

function isAnyLabel(rule: LabelRule, subject: Subject): boolean {
  const [value] = rule.values;
  if (!value || rule.values.length !== 1 || keyOf(rule, subject) !== "*") return false;
  const { values } = expandTemplate(value.template, subject.traits);
  return values.length === 1 && values[0] === "*";
}

/** Whether one of the values matches. */
export function valueFits(
  label: LabelRule,
  value: string,
  subject: Subject,
  problems: Problem[],
): boolean {
  let fits = false;
  for (const rule of label.values) {
    // A pattern that was good when the role was read needs no further judging.
    if (rule.pattern) fits ||= takesAny([rule.pattern], value);
    else if (takesAny(labelPatterns(rule, subject, problems), value)) fits = true;
  }
  return fits;
}

/** Whether one of the patterns matches a label's value; `*` alone takes newlines too. */
export function takesAny(patterns: readonly Pattern[], value: string): boolean {
  return patterns.some((pattern) => pattern.source === "*" || pattern.test(value));
}

/** In a map of labels a missing trait leaves the empty text, which only an empty label matches. */
function labelPatterns(
  rule: PatternRule,
  subject: Subject,
  problems: Problem[],
): readonly Pattern[] {
  const patterns = expandPatterns(rule, subject, problems);
  if (patterns.length > 0 || rule.pattern) return patterns;
  const empty = compilePattern("");
  return empty.ok ? [empty.pattern] : [];
}

/** The patterns that a rule stands for: its own, or one for each value of the trait. */
export function expandPatterns(
  rule: PatternRule,
  subject: Subject,
  problems: Problem[],
): readonly Pattern[] {
  if (rule.pattern) return [rule.pattern];
  const { values, invalid } = expandTemplate(rule.template, subject.traits);
  if (invalid !== undefined) problems.push(problemOf(rule.ref, invalid, subject));
  const patterns: Pattern[] = [];
  for (const value of values) {
    const compiled = compilePattern(value);
    if (compiled.ok) patterns.push(compiled.pattern);
    else {problems.push(
        problemOf(rule.ref, `${JSON.stringify(value)}: ${compiled.message}`, subject),
      );}
  }
  return patterns;
}

function expressionFits(
  { expression }: Conditions,
  subject: Subject,
  app: AppFacts,
  problems: Problem[],
): boolean {
  if (!expression) return false;
  const bound = bindExpression(expression.expression, { subject, labels: app.labels });
  if (bound.ok) return bound.kind === "constant" && bound.value;
  problems.push(problemOf(expression.ref, bound.message, subject));
  return false;
}

/** A failure that only this principal's traits, or this app's labels, bring about. */
export function problemOf(ref: RuleRef, message: string, subject: Subject): Problem {
  const { file, line, column } = ref;
  return {
    at: { file, line, column },
    message: `Role "${ref.role}", ${ref.path}, for ${JSON.stringify(subject.name)}: ${message}`,
  };
}
