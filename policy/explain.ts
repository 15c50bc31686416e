/**
 * `policy explain`: the answer to an ask, and what each role by itself has to say about it. The
 * answer is the policy's own; the roles are asked one at a time, by the same compiler.
 */
import { type Ask, decide, type What } from "./ask.ts";
import { compilePolicy } from "./compile_policy.ts";
import type { Decision, RuleRef } from "./decision.ts";
import { type AppFacts, labelValue, namespaceFits, valueFits } from "./labels.ts";
import { parseRole } from "./parse_role.ts";
import type { Position } from "./problem.ts";
import type { Conditions, LabelRule, Repeats, Role, Subject } from "./role.ts";
import { type ChangeStep, smallestChange } from "./smallest_change.ts";
import { expandTemplate } from "./template.ts";

export interface Explanation {
  readonly what: What;
  readonly decision: Decision;
  /** Every role, by name: those that decided, and how far the others came. */
  readonly roles: readonly RoleVerdict[];
  /** The fewest changes that would turn the answer, if one of the known ways does. */
  readonly change: readonly ChangeStep[] | undefined;
  /** Whether an allowed call may be made again when its outcome is unknown, where a role says it. */
  readonly repeats?: Repeats;
}

export type RoleVerdict = { readonly role: string; readonly at: Position } & RoleSays;

/** What one role says. Its deny side speaks first. */
export type RoleSays =
  | { readonly says: "deny"; readonly by: RuleRef }
  | { readonly says: "allow"; readonly by: RuleRef }
  /** Its allow side does not open the app. */
  | { readonly says: "app_not_matched"; readonly misses: readonly Miss[] }
  /** It opens the app, and none of these rules matches what is asked for. */
  | { readonly says: "name_not_matched"; readonly rules: readonly RuleRef[] }
  /** It would allow it, but for one more demand. */
  | {
    readonly says:
      | "session_mfa_required"
      | "trusted_device_required"
      | "condition_not_met"
      | "definition_not_pinned";
    readonly by: RuleRef;
  };

/** A condition on the app that does not hold. */
export interface Miss {
  readonly message: string;
  readonly by: RuleRef | undefined;
}

/** Explains one ask; throws `POLICY_INVALID` where the policy itself would not compile. */
export function explain(roles: readonly Role[], { subject, app, what }: Ask): Explanation {
  const policy = compilePolicy(roles, subject, app);
  const decision = decide(policy, what);
  const verdicts = [...new Set(roles)]
    .sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .map((role) => ({ role: role.name, at: role.at, ...saysOf(role, subject, app, what) }));
  const change = smallestChange(roles, { subject, app, what });
  const repeats = what.kind === "tool" && decision.effect === "allow" ? policy.repeats : undefined;
  return { what, decision, roles: verdicts, change, ...(repeats && { repeats }) };
}

let open: Role | undefined;

/** Allows everything and denies nothing: what stands in for the side that is not asked. */
function openRole(): Role {
  return open ??= parseRole(
    "{kind: role, version: v8, metadata: {name: open}, " +
      "spec: {allow: {app_labels: {'*': '*'}, mcp: {tools: ['*']}}}}",
    "open",
  );
}

function saysOf(role: Role, subject: Subject, app: AppFacts, what: What): RoleSays {
  const ask = (half: Role) => decide(compilePolicy([half], subject, app), what);
  const denial = ask({ ...role, allow: openRole().allow, options: openRole().options });
  // A name with a newline in it is one that not even the stand-in allows; that is no denial.
  if (denial.effect === "deny" && denial.because === "denied_by_rule") {
    return { says: "deny", by: denial.by };
  }
  const grant = ask({ ...role, deny: openRole().deny });
  if (grant.effect === "allow") return { says: "allow", by: grant.by };
  if (grant.because === "denied_by_rule") return { says: "deny", by: grant.by };
  if (grant.because !== "no_match") return { says: grant.because, by: grant.by };
  const alone = compilePolicy([{ ...role, deny: openRole().deny }], subject, app);
  if (alone.access.effect === "allow") {
    return { says: "name_not_matched", rules: rulesFor(role.allow, what) };
  }
  return { says: "app_not_matched", misses: missesOf(role.allow, subject, app) };
}

function rulesFor({ tools, resources, prompts }: Conditions, what: What): RuleRef[] {
  const lists = { app: [], tool: tools, resource: resources ?? [], prompt: prompts ?? [] };
  return lists[what.kind].map(({ ref }) => ref);
}

function missesOf(allow: Conditions, subject: Subject, app: AppFacts): Miss[] {
  if (!namespaceFits(allow)) {
    return [{ message: "its namespaces leave out that of apps, default", by: undefined }];
  }
  const { labels, expression } = allow;
  const rules = labels?.labels ?? [];
  if (rules.length === 0 && !expression) {
    return [{ message: "it names no labels, and so opens no app", by: undefined }];
  }
  const misses = rules.flatMap((rule) => labelMiss(rule, subject, app));
  if (!expression) return misses;
  const alone: Conditions = { ...allow, labels: undefined };
  const half: Role = { ...openRole(), allow: alone };
  const fits = compilePolicy([half], subject, app).access.effect === "allow";
  return fits ? misses : [
    ...misses,
    { message: `${expression.ref.rule} is false`, by: expression.ref },
  ];
}

function labelMiss(rule: LabelRule, subject: Subject, app: AppFacts): Miss[] {
  const key = expandTemplate(rule.key, subject.traits).values[0] ?? "";
  const value = labelValue(rule, subject, app);
  if (value === undefined) {
    return [{ message: `the app has no label ${JSON.stringify(key)}`, by: rule.ref }];
  }
  // What cannot be judged has been refused by the compiler before.
  if (valueFits(rule, value, subject, [])) return [];
  const wanted = rule.values.map(({ ref }) => JSON.stringify(ref.rule)).join(" or ");
  const message = `label ${JSON.stringify(key)} is ${JSON.stringify(value)}, not ${
    wanted || "any"
  }`;
  return [{ message, by: rule.ref }];
}
