/** Roles, a principal and an app into a policy. Whatever can fail, fails here. */
import type { AppPolicy, Lists } from "./app_policy.ts";
import { CompiledAppPolicy } from "./app_policy.ts";
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
import type { Entry, GuardedEntry } from "./matchers.ts";
import { formatProblem, type Problem } from "./problem.ts";
import type { PatternRule, Role, Subject, ToolRule } from "./role.ts";

/** Used when a principal has no role at all. */
const NO_ROLE_TTL = 30 * 3600;

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
  const problems: Problem[] = [];
  const compiler = new Compiler(inOrder(roles, problems), subject, app, problems);
  const policy = compiler.compile();
  if (problems.length > 0) throw invalidPolicy(problems, subject, app);
  return policy;
}

function invalidPolicy(
  problems: readonly Problem[],
  subject: Subject,
  app: AppFacts,
): PolicyError {
  return new PolicyError(
    "POLICY_INVALID",
    `Cannot judge ${subject.name} at ${app.name}:\n${problems.map(formatProblem).join("\n")}`,
    { problems, hint: "Correct the role, or the trait that it uses" },
  );
}

/** Each role once, by name. */
function inOrder(roles: readonly Role[], problems: Problem[]): readonly Role[] {
  const byName = new Map<string, Role>();
  for (const role of roles) {
    const same = byName.get(role.name);
    if (same && same !== role) {
      problems.push({ at: role.at, message: `There are two roles named "${role.name}"` });
    }
    byName.set(role.name, role);
  }
  return [...byName.values()].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

class Compiler {
  constructor(
    private readonly roles: readonly Role[],
    private readonly subject: Subject,
    private readonly app: AppFacts,
    private readonly problems: Problem[],
  ) {}

  compile(): AppPolicy {
    const { roles, subject, app, problems } = this;
    const closed = roles.map(({ deny }) => deniesApp(deny, subject, app, problems));
    const open = roles.map(({ allow }) => allowsApp(allow, subject, app, problems));
    const denying = roles.filter(({ deny }) => namespaceFits(deny));
    const allowing = roles.filter((_, index) => open[index] !== undefined);
    return new CompiledAppPolicy({
      access: decideAccess(closed, open, allowing),
      tools: {
        // INVARIANT (deny wins): a denied tool is denied on every app, whatever `app_labels` say.
        deny: denying.flatMap(({ deny }) => deny.tools.flatMap((rule) => this.#tool(rule))),
        allow: allowing.flatMap(({ allow }) => allow.tools.flatMap((rule) => this.#tool(rule))),
      },
      resources: this.#lists(denying, allowing, "resources"),
      prompts: this.#lists(denying, allowing, "prompts"),
      maxSessionTtl: roles.length === 0
        ? NO_ROLE_TTL
        : Math.min(...roles.map(({ options }) => options.maxSessionTtl)),
      lock: roles.some(({ options }) => options.lock === "strict") ? "strict" : "best_effort",
    });
  }

  #lists(
    denying: readonly Role[],
    allowing: readonly Role[],
    list: "resources" | "prompts",
  ): Lists {
    const restricted = allowing.filter(({ allow }) => allow[list] !== undefined);
    return {
      deny: denying.flatMap(({ deny }) => this.#entries(deny[list] ?? [])),
      allow: restricted.length === 0
        ? undefined
        : restricted.flatMap(({ allow }) => this.#entries(allow[list] ?? [])),
    };
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

function decideAccess(
  closed: readonly (RuleRef | undefined)[],
  open: readonly (RuleRef | undefined)[],
  allowing: readonly Role[],
): Decision {
  const denial = closed.find((ref) => ref !== undefined);
  if (denial) return { effect: "deny", because: "denied_by_rule", by: denial };
  const [grant] = open.filter((ref) => ref !== undefined);
  if (!grant) return { effect: "deny", because: "no_match" };
  // Of the roles that open the app, the strictest demand holds; a machine meets neither of these.
  for (const { options } of allowing) {
    if (options.sessionMfa) {
      return { effect: "deny", because: "session_mfa_required", by: options.sessionMfa };
    }
  }
  for (const { options } of allowing) {
    if (options.trustedDevice) {
      return { effect: "deny", because: "trusted_device_required", by: options.trustedDevice };
    }
  }
  return { effect: "allow", by: grant };
}
