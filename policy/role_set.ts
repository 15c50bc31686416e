/**
 * What policies over the same roles share: the roles in order, which of them have anything to say
 * on a matter, and an index of all their tools. It is kept as long as the list of roles is.
 */
import type { Decision, RuleRef } from "./decision.ts";
import { LabelIndex } from "./label_index.ts";
import { namespaceFits } from "./labels.ts";
import { MatchIndex } from "./match_index.ts";
import type { Pattern } from "./pattern/mod.ts";
import type { Problem } from "./problem.ts";
import type { Role, ToolRule } from "./role.ts";

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
  readonly variableGrants: readonly (readonly ToolRule[])[];
  /** Roles that name resources or prompts on either side. */
  readonly listing: readonly Role[];
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
    this.variableGrants = roles.map(({ allow }) => allow.tools.filter(isVariable));
    this.listing = roles.filter(({ allow, deny }) =>
      allow.resources ?? allow.prompts ?? deny.resources ?? deny.prompts
    );
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

/** Names remembered with what matches them, and the numbers kept for them. */
const MEMORY_LIMIT = 8192;
const MATCHES_LIMIT = 1 << 20;
const NAME_LIMIT = 256;

/** Which fixed rules a name matches, whoever asks. */
export class ToolIndex {
  readonly #memory = new Map<string, readonly number[]>();
  readonly #index: MatchIndex;
  #kept = 0;

  /** INVARIANT (deny wins): denials come first, and so does what they answer. */
  constructor(readonly rules: readonly FixedRule[]) {
    this.#index = new MatchIndex(rules.map(({ pattern }) => pattern));
  }

  matches(name: string): readonly number[] {
    const known = this.#memory.get(name);
    if (known) return known;
    const matches = this.#index.matches(name);
    if (name.length > NAME_LIMIT) return matches;
    this.#kept += matches.length;
    if (this.#memory.size >= MEMORY_LIMIT || this.#kept > MATCHES_LIMIT) {
      this.#memory.clear();
      this.#kept = matches.length;
    }
    this.#memory.set(name, matches);
    return matches;
  }
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
