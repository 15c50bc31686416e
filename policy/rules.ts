import type { RuleRef } from "./decision.ts";
import type { Conditions, Role } from "./role.ts";

/** Every rule of a role that can decide something, in the order of the file. */
export function rulesOf(role: Role): RuleRef[] {
  const { sessionMfa, trustedDevice } = role.options;
  return [
    ...conditionRules(role.allow),
    ...conditionRules(role.deny),
    ...[sessionMfa, trustedDevice].filter((ref) => ref !== undefined),
  ];
}

function conditionRules(conditions: Conditions): RuleRef[] {
  const { labels, expression, tools, resources, prompts } = conditions;
  const apps = [labels?.labels.length ? labels.ref : undefined, expression?.ref];
  const lists = [...tools, ...resources ?? [], ...prompts ?? []];
  return [...apps.filter((ref) => ref !== undefined), ...lists.map(({ ref }) => ref)];
}
