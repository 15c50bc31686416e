/** `policy test`: puts every case to its roles and compares the answers. */
import { decide } from "./ask.ts";
import { compilePolicy } from "./compile_policy.ts";
import { type Decision, describeDecision, type RuleRef } from "./decision.ts";
import { PolicyError } from "./error.ts";
import { formatProblems, type Position, type Problem } from "./problem.ts";
import type { Role } from "./role.ts";
import { rulesOf } from "./rules.ts";
import { type Expectation, type LoadRole, parseTestFile, type TestCase } from "./test_file.ts";

export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly CaseResult[];
  /** What is wrong with the test files themselves; their broken cases did not run. */
  readonly problems: readonly Problem[];
  readonly coverage: Coverage;
}

export interface CaseResult {
  readonly name: string;
  readonly at: Position;
  readonly passed: boolean;
  readonly expected: Expectation;
  readonly expectedBecause: string | undefined;
  readonly actual: Expectation;
  /** What decided, or why the roles cannot be asked. */
  readonly detail: string;
  readonly by: RuleRef | undefined;
}

export interface Coverage {
  readonly rules: number;
  /** Rules that decided no case. */
  readonly untested: readonly RuleRef[];
}

/** Runs the cases of test files. Nothing is thrown for a file that is wrong: the report says so. */
export function runPolicyTests(
  files: readonly { readonly file: string; readonly text: string }[],
  load: LoadRole,
): TestReport {
  const parsed = files.map(({ file, text }) => parseTestFile(text, file, load));
  const coverage = new CoverageBook(parsed.flatMap(({ scopes }) => scopes.flatMap((s) => s.roles)));
  const cases = parsed.flatMap((file) => file.cases).map((test) => runCase(test, coverage));
  const passed = cases.filter((result) => result.passed).length;
  return {
    passed,
    failed: cases.length - passed,
    cases,
    problems: parsed.flatMap((file) => file.problems),
    coverage: coverage.report(),
  };
}

type Outcome =
  | { readonly kind: "decided"; readonly decision: Decision }
  | { readonly kind: "error"; readonly detail: string };

function runCase(test: TestCase, coverage: CoverageBook): CaseResult {
  const outcome = ask(test);
  const decision = outcome.kind === "decided" ? outcome.decision : undefined;
  if (decision) coverage.count(decision);
  const by = decision && "by" in decision ? decision.by : undefined;
  const actual = decision?.effect ?? "error";
  const passed = actual === test.expect &&
    (test.because === undefined || answersTo(test.because, outcome));
  return {
    name: test.name,
    at: test.at,
    passed,
    expected: test.expect,
    expectedBecause: test.because,
    actual,
    detail: outcome.kind === "decided" ? describeDecision(outcome.decision) : outcome.detail,
    by,
  };
}

function ask(test: TestCase): Outcome {
  const { scope, subject, app, what } = test;
  if (scope.problems.length > 0) {
    return { kind: "error", detail: formatProblems(scope.problems) };
  }
  const roles: Role[] = [];
  for (const name of test.roles ?? []) {
    const role = scope.roles.find((candidate) => candidate.name === name);
    if (!role) return { kind: "error", detail: `Role "${name}" is not among the case's roles` };
    roles.push(role);
  }
  try {
    const policy = compilePolicy(test.roles ? roles : scope.roles, subject, app);
    return { kind: "decided", decision: decide(policy, what) };
  } catch (error) {
    if (error instanceof PolicyError) return { kind: "error", detail: error.message };
    throw error;
  }
}

/** `because` names a role, a rule as written, its path, the code of a denial, or part of an error. */
function answersTo(because: string, outcome: Outcome): boolean {
  if (outcome.kind === "error") return outcome.detail.includes(because);
  const { decision } = outcome;
  if (decision.effect === "deny" && decision.because === because) return true;
  if (!("by" in decision)) return false;
  const { role, rule, path } = decision.by;
  return [role, rule, path, `${role}: ${path}`].includes(because);
}

/** Keeps which rules have decided something. */
class CoverageBook {
  readonly #rules = new Map<string, RuleRef>();
  readonly #seen = new Set<string>();
  readonly #openers = new Map<string, string[]>();

  constructor(roles: readonly Role[]) {
    for (const role of roles) {
      const { labels, expression } = role.allow;
      const openers = [labels?.ref, expression?.ref].filter((ref) => ref !== undefined);
      for (const rule of rulesOf(role)) {
        this.#rules.set(keyOf(rule), rule);
        this.#openers.set(keyOf(rule), openers.map(keyOf));
      }
    }
  }

  count(decision: Decision): void {
    if (!("by" in decision)) return;
    const { by } = decision;
    this.#seen.add(keyOf(by));
    if (decision.effect === "deny" && decision.because === "denied_by_rule") return;
    // A rule of the allow side speaks only because the labels beside it fitted.
    for (const key of this.#openers.get(keyOf(by)) ?? []) this.#seen.add(key);
  }

  report(): Coverage {
    const untested = [...this.#rules].filter(([key]) => !this.#seen.has(key));
    return { rules: this.#rules.size, untested: untested.map(([, rule]) => rule) };
  }
}

/** Roles of one name may stand in one file, each written out in a case of its own. */
function keyOf({ file, line, column, role, path }: RuleRef): string {
  return JSON.stringify([file, line, column, role, path]);
}
