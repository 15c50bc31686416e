/** Roles as they would be after a change of one rule; the given roles stay as they are. */
import { literalPattern } from "./_literal_pattern.ts";
import type { What } from "./ask.ts";
import type { RuleRef } from "./decision.ts";
import { compilePattern } from "./pattern/mod.ts";
import type { Conditions, LabelRule, PatternRule, Role, ToolRule } from "./role.ts";

export type ListName = "tools" | "resources" | "prompts";

export function listOf(what: What): ListName | undefined {
  const lists = {
    app: undefined,
    tool: "tools",
    resource: "resources",
    prompt: "prompts",
  } as const;
  return lists[what.kind];
}

/** What a list would have to name; the app's own name where the app is asked for. */
export function nameOf(what: What): string {
  return what.kind === "app" ? "" : what.kind === "resource" ? what.uri : what.name;
}

/** A role without the rule at `path`; a rule stands alone in its list. */
export function withoutRule(role: Role, path: string): Role {
  return { ...role, allow: without(role.allow, path), deny: without(role.deny, path) };
}

function without(side: Conditions, path: string): Conditions {
  const keep = ({ ref }: { readonly ref: RuleRef }) => ref.path !== path;
  return {
    ...side,
    labels: side.labels && keep(side.labels) ? side.labels : undefined,
    expression: side.expression && keep(side.expression) ? side.expression : undefined,
    tools: side.tools.filter(keep),
    resources: side.resources?.filter(keep),
    prompts: side.prompts?.filter(keep),
  };
}

/** A role whose list on one side also names `name`, and nothing more. */
export function withName(role: Role, side: "allow" | "deny", list: ListName, name: string): Role {
  const path = `spec.${side}.mcp.${list}`;
  const rule: ToolRule = {
    ...patternRule(role, path, literalPattern(name)),
    where: undefined,
    sha256: undefined,
  };
  const before = role[side];
  return { ...role, [side]: { ...before, [list]: [...before[list] ?? [], rule] } };
}

/** A role whose label rule also takes `value`. */
export function withLabelValue(role: Role, label: LabelRule, value: string): Role {
  const { labels } = role.allow;
  if (!labels) return role;
  const widened = labels.labels.map((rule) =>
    rule === label
      ? {
        ...rule,
        values: [...rule.values, patternRule(role, rule.ref.path, literalPattern(value))],
      }
      : rule
  );
  return { ...role, allow: { ...role.allow, labels: { ...labels, labels: widened } } };
}

/** A role that takes a machine without a person or a trusted device. */
export function withoutDemand(role: Role, demand: "sessionMfa" | "trustedDevice"): Role {
  return { ...role, options: { ...role.options, [demand]: undefined } };
}

function patternRule(role: Role, path: string, text: string): PatternRule {
  const compiled = compilePattern(text);
  return {
    ref: { ...role.at, role: role.name, path, rule: text },
    template: { kind: "literal", text },
    pattern: compiled.ok ? compiled.pattern : undefined,
  };
}
