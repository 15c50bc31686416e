/** Roles, a principal and an app into a policy. Whatever can fail, fails here. */
import { REPEAT_MODES } from "./_parse_options.ts";
import type { AppPolicy, Lists, ToolRules } from "./app_policy.ts";
import { CompiledAppPolicy, isGuarded } from "./app_policy.ts";
import { bindExpression } from "./bind.ts";
import type { Decision, RuleRef } from "./decision.ts";
import { PolicyError } from "./error.ts";
import {
  allowsApp,
  type AppFacts,
  deniesApp,
  expandPatterns,
  namespaceFits,
  problemOf,
} from "./labels.ts";
import { type Entry, type GuardedEntry, IndexMatcher, ListMatcher } from "./matchers.ts";
import { formatProblems, type Problem } from "./problem.ts";
import type { PatternRule, Repeats, Role, Subject, ToolRule } from "./role.ts";
import { type RoleSet, roleSet } from "./role_set.ts";

/** Used when a principal has no role at all. */
const NO_ROLE_TTL = 30 * 3600;

/** Rules up to which an app gets an automaton of its own. */
const SMALL_SET = 256;

const NOTHING: readonly GuardedEntry[] = [];

/**
 * Compiles what `subject` may do with `app` under its roles. The order of roles does not matter,
 * not even for which rule is named. Throws `POLICY_INVALID` when the principal's traits or the
 * app's labels make a rule impossible to judge: that is no access, and never a skipped rule.
 */
export function compilePolicy(
  roles: readonly Role[],
  subject: Subject,
  app: AppFacts,
): AppPolicy {
  const set = roleSet(roles);
  const problems: Problem[] = [...set.problems];
  const compiler = new Compiler(set, subject, app, problems);
  const policy = compiler.compile();
  if (problems.length > 0) throw invalidPolicy(problems, subject, app);
  return policy;
}

/** The rules of all roles that hold for a principal and an app, as lists. */
export interface RuleLists {
  readonly access: Decision;
  readonly tools: {
    readonly deny: readonly GuardedEntry[];
    readonly allow: readonly GuardedEntry[];
  };
  readonly resources: Lists;
  readonly prompts: Lists;
}

/** What a policy is made of, for those who compare policies; throws as `compilePolicy` does. */
export function listRules(roles: readonly Role[], subject: Subject, app: AppFacts): RuleLists {
  const set = roleSet(roles);
  const problems: Problem[] = [...set.problems];
  const lists = new Compiler(set, subject, app, problems).list();
  if (problems.length > 0) throw invalidPolicy(problems, subject, app);
  return lists;
}

function invalidPolicy(
  problems: readonly Problem[],
  subject: Subject,
  app: AppFacts,
): PolicyError {
  return new PolicyError(
    "POLICY_INVALID",
    `Cannot judge ${subject.name} at ${app.name}:\n${formatProblems(problems)}`,
    { problems, hint: "Correct the role, or the trait that it uses" },
  );
}

class Compiler {
  constructor(
    private readonly set: RoleSet,
    private readonly subject: Subject,
    private readonly app: AppFacts,
    private readonly problems: Problem[],
  ) {}

  compile(): AppPolicy {
    const { set } = this;
    const { access, open } = this.#access();
    const { denials, grants } = this.#variable(open);
    return new CompiledAppPolicy({
      access,
      tools: this.#tools(open, denials, grants),
      resources: this.#lists(open, "resources"),
      prompts: this.#lists(open, "prompts"),
      maxSessionTtl: set.maxSessionTtl ?? NO_ROLE_TTL,
      lock: set.lock,
      repeats: strictest(set.repeating.filter(({ place }) => open[place])),
      approved: this.app.approved,
    });
  }

  list(): RuleLists {
    const { set } = this;
    const { access, open } = this.#access();
    const { denials, grants } = this.#variable(open);
    const fixed = set.fixedGrants.filter((_, place) => open[place]).flat();
    return {
      access,
      tools: {
        deny: [...set.fixedDenials.map(unguarded), ...denials],
        allow: [...fixed.map(unguarded), ...grants],
      },
      resources: this.#lists(open, "resources"),
      prompts: this.#lists(open, "prompts"),
    };
  }

  /** Whether the app may be reached, and by role whether it opens the app. */
  #access(): { access: Decision; open: readonly boolean[] } {
    const { set, subject, app, problems } = this;
    const closed = set.appDeniers.map(({ deny }) => deniesApp(deny, subject, app, problems));
    const opened = set.labels.opened(app);
    let grant: RuleRef | undefined;
    const open = opened.map((byLabels, place) => {
      const ref = byLabels === undefined ? this.#opens(set.roles[place]) : byLabels;
      grant ??= ref ?? undefined;
      return ref !== undefined && ref !== null;
    });
    const demanding = set.demanding.filter(({ place }) => open[place]);
    return { access: decideAccess(closed, grant, demanding.map(({ role }) => role)), open };
  }

  /** The tool rules that depend on the principal, the app or the call. */
  #variable(open: readonly boolean[]): { denials: GuardedEntry[]; grants: GuardedEntry[] } {
    const { set } = this;
    return {
      // INVARIANT (deny wins): a denied tool is denied on every app, whatever `app_labels` say.
      denials: set.variableDenials.flatMap((rule) => this.#tool(rule)),
      grants: set.variableGrants.flatMap(({ rules, place }) =>
        open[place] ? rules.flatMap((rule) => this.#tool(rule)) : NOTHING
      ),
    };
  }

  #opens(role: Role | undefined): RuleRef | undefined {
    return role && allowsApp(role.allow, this.subject, this.app, this.problems);
  }

  #tools(
    open: readonly boolean[],
    denials: readonly GuardedEntry[],
    grants: readonly GuardedEntry[],
  ): ToolRules {
    const { set } = this;
    const deny = denials.filter((entry) => !isGuarded(entry));
    const allow = grants.filter((entry) => !isGuarded(entry));
    // An index is built here and not at the first question, which must not wait for it.
    const index = this.#isLarge(open) ? set.index : undefined;
    const fixed = () => set.fixedGrants.filter((_, place) => open[place]).flat();
    return {
      deny: denials.filter(isGuarded),
      allow: grants.filter(isGuarded),
      unrestricted: set.fixedDenials.length === 0 && denials.length === 0 &&
        (set.grantingAll.some((place) => open[place]) ||
          allow.some(({ pattern }) => pattern.kind === "any")),
      plain: () =>
        index
          ? new IndexMatcher(index, open, besideOf(deny, allow))
          : new ListMatcher([...set.fixedDenials, ...deny], [...fixed(), ...allow]),
    };
  }

  /** Whether the fixed rules that hold are too many for an automaton of the app's own. */
  #isLarge(open: readonly boolean[]): boolean {
    const { fixedGrants, fixedDenials } = this.set;
    let count = fixedDenials.length;
    for (let place = 0; place < open.length && count <= SMALL_SET; place++) {
      if (open[place]) count += fixedGrants[place]!.length;
    }
    return count > SMALL_SET;
  }

  #lists(open: readonly boolean[], list: "resources" | "prompts"): Lists {
    const deny: Entry[] = [];
    let allow: Entry[] | undefined;
    for (const { role, place } of this.set.listing) {
      if (namespaceFits(role.deny)) deny.push(...this.#entries(role.deny[list] ?? []));
      const rules = role.allow[list];
      if (rules && open[place]) (allow ??= []).push(...this.#entries(rules));
    }
    return { deny, allow };
  }

  #entries(rules: readonly PatternRule[]): Entry[] {
    return rules.flatMap((rule) =>
      expandPatterns(rule, this.subject, this.problems).map((pattern) => ({
        pattern,
        ref: rule.ref,
      }))
    );
  }

  #tool(rule: ToolRule): GuardedEntry[] {
    const { where, sha256, ref } = rule;
    const entries = this.#entries([rule]);
    if (!where) return entries.map((entry) => ({ ...entry, condition: undefined, sha256 }));
    const bound = bindExpression(where, { subject: this.subject, labels: this.app.labels });
    if (!bound.ok) {
      this.problems.push(problemOf(ref, `where: ${bound.message}`, this.subject));
      return [];
    }
    // Labels and traits alone have decided: the rule is not there, or has no condition.
    if (bound.kind === "constant" && !bound.value) return [];
    const condition = bound.kind === "constant" ? undefined : bound.test;
    return entries.map((entry) => ({ ...entry, condition, sha256 }));
  }
}

/** Of the roles that open the app and say something, the strictest one holds. */
function strictest(given: RoleSet["repeating"]): Repeats | undefined {
  const rank = ({ repeats }: (typeof given)[number]) => REPEAT_MODES.indexOf(repeats.mode);
  const [first] = given.toSorted((a, b) => rank(a) - rank(b));
  return first?.repeats;
}

function besideOf(deny: readonly Entry[], allow: readonly Entry[]): ListMatcher | undefined {
  return deny.length + allow.length > 0 ? new ListMatcher(deny, allow) : undefined;
}

function unguarded({ pattern, ref }: Entry): GuardedEntry {
  return { pattern, ref, condition: undefined, sha256: undefined };
}

function decideAccess(
  closed: readonly (RuleRef | undefined)[],
  grant: RuleRef | undefined,
  demanding: readonly Role[],
): Decision {
  const denial = closed.find((ref) => ref !== undefined);
  if (denial) return { effect: "deny", because: "denied_by_rule", by: denial };
  if (!grant) return { effect: "deny", because: "no_match" };
  // Of the roles that open the app, the strictest demand holds; a machine meets neither of these.
  for (const { options } of demanding) {
    if (options.sessionMfa) {
      return { effect: "deny", because: "session_mfa_required", by: options.sessionMfa };
    }
  }
  for (const { options } of demanding) {
    if (options.trustedDevice) {
      return { effect: "deny", because: "trusted_device_required", by: options.trustedDevice };
    }
  }
  return { effect: "allow", by: grant };
}
