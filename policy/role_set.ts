/**
 * What policies over the same roles share: the roles in order, which of them have anything to say
 * on a matter, and an index of all their tools. It is kept as long as the list of roles is.
 */
import { NameMemory } from "./_name_memory.ts";
import type { Decision, RuleRef } from "./decision.ts";
import { LabelIndex } from "./label_index.ts";
import { namespaceFits } from "./labels.ts";
import { MatchIndex } from "./match_index.ts";
import type { Pattern } from "./pattern/mod.ts";
import type { Problem } from "./problem.ts";
import type { Repeats, Role, ToolRule } from "./role.ts";

/** A tool rule that no principal, app or call changes: a pattern, and what it decides. */
export interface FixedRule {
  readonly pattern: Pattern;
  readonly ref: RuleRef;
  /** The role's place in `RoleSet.roles`. */
  readonly role: number;
  readonly decision: Decision;
}

export class RoleSet {
  /** Each role once, by name: the order in which they were given does not matter. */
  readonly roles: readonly Role[];
  readonly problems: readonly Problem[];
  /** Roles whose deny side may close an app. */
  readonly appDeniers: readonly Role[];
  readonly fixedDenials: readonly FixedRule[];
  /** By role, the fixed rules of its allow side. */
  readonly fixedGrants: readonly (readonly FixedRule[])[];
  /** Tool rules of deny sides with a template, a condition or a pin. */
  readonly variableDenials: readonly ToolRule[];
  /** The same of allow sides, with their role's place. */
  readonly variableGrants: readonly {
    readonly rules: readonly ToolRule[];
    readonly place: number;
  }[];
  /** Places of roles that grant every tool by a fixed rule. */
  readonly grantingAll: readonly number[];
  /** Roles with a demand that a machine cannot meet, with their place. */
  readonly demanding: readonly { readonly role: Role; readonly place: number }[];
  /** Roles that say whether calls may be repeated, with their place. */
  readonly repeating: readonly { readonly repeats: Repeats; readonly place: number }[];
  /** Roles that name resources or prompts on either side. */
  readonly listing: readonly { readonly role: Role; readonly place: number }[];
  readonly maxSessionTtl: number | undefined;
  readonly lock: "strict" | "best_effort";
  readonly labels: LabelIndex;
  #index: ToolIndex | undefined;

  constructor(given: readonly Role[]) {
    const problems: Problem[] = [];
    const roles = this.roles = inOrder(given, problems);
    this.problems = problems;
    this.labels = new LabelIndex(roles);
    const denying = roles.filter(({ deny }) => namespaceFits(deny));
    this.appDeniers = denying.filter(({ deny }) => deny.labels || deny.expression);
    this.fixedDenials = roles.flatMap((role, index) =>
      namespaceFits(role.deny) ? fixedRules(role.deny.tools, index, "deny") : []
    );
    this.variableDenials = denying.flatMap(({ deny }) => deny.tools.filter(isVariable));
    this.fixedGrants = roles.map(({ allow }, index) => fixedRules(allow.tools, index, "allow"));
    this.variableGrants = roles.flatMap(({ allow }, place) => {
      const rules = allow.tools.filter(isVariable);
      return rules.length > 0 ? [{ rules, place }] : [];
    });
    this.grantingAll = this.fixedGrants.flatMap((rules, place) =>
      rules.some(({ pattern }) => pattern.kind === "any") ? [place] : []
    );
    this.demanding = roles.flatMap((role, place) =>
      role.options.sessionMfa ?? role.options.trustedDevice ? [{ role, place }] : []
    );
    this.repeating = roles.flatMap(({ options: { repeats } }, place) =>
      repeats ? [{ repeats, place }] : []
    );
    this.listing = roles.flatMap((role, place) => {
      const { allow, deny } = role;
      return allow.resources ?? allow.prompts ?? deny.resources ?? deny.prompts
        ? [{ role, place }]
        : [];
    });
    this.maxSessionTtl = roles.reduce<number | undefined>(
      (least, { options }) => Math.min(least ?? Infinity, options.maxSessionTtl),
      undefined,
    );
    this.lock = roles.some(({ options }) => options.lock === "strict") ? "strict" : "best_effort";
  }

  /** All fixed rules, for sets so large that each app's own would be a waste. */
  get index(): ToolIndex {
    return this.#index ??= new ToolIndex([...this.fixedDenials, ...this.fixedGrants.flat()]);
  }
}

/** Of a name that more patterns match, they are not remembered. */
const MATCHES_LIMIT = 64;

/** A pattern that many rules may share, with the numbers of those rules, ascending. */
interface SharedPattern {
  readonly pattern: Pattern;
  readonly rules: number[];
}

/** Which fixed rules a name matches, whoever asks. */
export class ToolIndex {
  readonly #memory = new NameMemory<readonly number[]>("first");
  readonly #shared: readonly SharedPattern[];
  readonly #index: MatchIndex;

  /** INVARIANT (deny wins): denials come first, and so does what they answer. */
  constructor(readonly rules: readonly FixedRule[]) {
    this.#shared = shared(rules);
    this.#index = new MatchIndex(this.#shared.map(({ pattern }) => pattern));
  }

  /** The lowest rule that matches a name: any that denies, or one of a role that is open. */
  lowest(name: string, open: readonly boolean[]): FixedRule | undefined {
    const matches = this.#memory.get(name) ?? this.#find(name);
    let lowest = this.rules.length;
    for (const match of matches) {
      for (const number of this.#shared[match]!.rules) {
        if (number >= lowest) break;
        const rule = this.rules[number]!;
        if (rule.decision.effect === "deny" || open[rule.role]) lowest = number;
      }
    }
    return this.rules[lowest];
  }

  #find(name: string): readonly number[] {
    const matches = this.#index.matches(name);
    return matches.length > MATCHES_LIMIT ? matches : this.#memory.keep(name, matches);
  }
}

/** Rules by what they match: roles repeat each other. */
function shared(rules: readonly FixedRule[]): readonly SharedPattern[] {
  const bySource = new Map<string, SharedPattern>();
  for (const [number, { pattern }] of rules.entries()) {
    const known = bySource.get(pattern.source);
    if (known) known.rules.push(number);
    else bySource.set(pattern.source, { pattern, rules: [number] });
  }
  return [...bySource.values()];
}

const kept = new WeakMap<readonly Role[], { given: readonly Role[]; set: RoleSet }>();

/** The set of a list of roles; the same one while the list holds the same roles. */
export function roleSet(roles: readonly Role[]): RoleSet {
  const known = kept.get(roles);
  // A list that its owner has changed since is another list.
  if (known && same(known.given, roles)) return known.set;
  const set = new RoleSet(roles);
  kept.set(roles, { given: [...roles], set });
  return set;
}

function same(a: readonly Role[], b: readonly Role[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function inOrder(roles: readonly Role[], problems: Problem[]): readonly Role[] {
  const byName = new Map<string, Role>();
  for (const role of roles) {
    const namesake = byName.get(role.name);
    if (namesake && namesake !== role) {
      problems.push({ at: role.at, message: `There are two roles named "${role.name}"` });
    }
    byName.set(role.name, role);
  }
  return [...byName.values()].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

function fixedRules(
  tools: readonly ToolRule[],
  role: number,
  effect: "allow" | "deny",
): FixedRule[] {
  const rules: FixedRule[] = [];
  for (const { pattern, where, sha256, ref } of tools) {
    if (!pattern || where || sha256 !== undefined) continue;
    const decision: Decision = effect === "allow"
      ? { effect, by: ref }
      : { effect, because: "denied_by_rule", by: ref };
    rules.push({ pattern, ref, role, decision });
  }
  return rules;
}

function isVariable({ pattern, where, sha256 }: ToolRule): boolean {
  return pattern === undefined || where !== undefined || sha256 !== undefined;
}
