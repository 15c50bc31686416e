/** What roles let their holder do to the cluster itself: `rules`, beside what they say of apps. */
import type { ADMIN_RESOURCES, ADMIN_VERBS } from "./_known_fields.ts";
import type { RuleRef } from "./decision.ts";
import { namespaceFits } from "./labels.ts";
import type { ResourceRule, Role } from "./role.ts";

export type AdminResource = typeof ADMIN_RESOURCES[number];
export type AdminVerb = typeof ADMIN_VERBS[number];

/** One thing that somebody wants to do. */
export interface AdminRight {
  readonly resource: AdminResource;
  readonly verb: AdminVerb;
}

export type AdminDecision =
  | { readonly effect: "allow"; readonly by: RuleRef }
  | { readonly effect: "deny"; readonly because: "no_match" }
  | { readonly effect: "deny"; readonly because: "denied_by_rule"; readonly by: RuleRef };

/** Whether the roles allow it; one rule that denies outweighs all that allow. Cannot throw. */
export function decideAdmin(roles: readonly Role[], right: AdminRight): AdminDecision {
  for (const { deny } of roles) {
    const by = deny.rules.find((rule) => names(rule, right.resource) && denies(rule, right.verb));
    if (by) return { effect: "deny", because: "denied_by_rule", by: by.ref };
  }
  for (const { allow } of roles) {
    if (!namespaceFits(allow)) continue;
    const by = allow.rules.find((rule) => names(rule, right.resource) && allows(rule, right.verb));
    if (by) return { effect: "allow", by: by.ref };
  }
  return { effect: "deny", because: "no_match" };
}

function names({ resources }: ResourceRule, resource: AdminResource): boolean {
  return resources.includes(resource) || resources.includes("*");
}

/** Whoever may read may read without secrets too. */
function allows({ verbs }: ResourceRule, verb: AdminVerb): boolean {
  return verbs.includes(verb) || verbs.includes("*") ||
    (verb === "readnosecrets" && verbs.includes("read"));
}

/** Denying one way to read denies the other: when in doubt, closed. */
function denies({ verbs }: ResourceRule, verb: AdminVerb): boolean {
  const reading = verb === "read" || verb === "readnosecrets";
  return verbs.includes(verb) || verbs.includes("*") ||
    (reading && (verbs.includes("read") || verbs.includes("readnosecrets")));
}
