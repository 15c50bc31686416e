/**
 * `policy diff`: who gains and who loses what between two sets of roles. Names are compared one by
 * one where they are known. Where they are not, patterns are compared as the sets that they stand
 * for, so that a change is found if there is one, and a name is shown that proves it.
 */
import { compareLists, type Comparison, type NamedRules } from "./_compare_lists.ts";
import { compilePattern } from "./pattern/mod.ts";
import { listRules, type RuleLists } from "./compile_policy.ts";
import { type Decision, describeDecision, type RuleRef } from "./decision.ts";
import { PolicyError } from "./error.ts";
import type { AppFacts } from "./labels.ts";
import type { Lists } from "./app_policy.ts";
import type { GuardedEntry } from "./matchers.ts";
import type { Role, Subject } from "./role.ts";
import { sampleApps } from "./_sample_apps.ts";

export interface KnownSubject extends Subject {
  /** The names of its roles; all roles when absent. */
  readonly roles?: readonly string[];
}

export interface KnownApp extends AppFacts {
  /** The names of its tools, when they are known. */
  readonly tools?: readonly string[];
}

/** What is known of the cluster that the roles are for. */
export interface DiffWorld {
  /** Left out: every role by itself, and all roles together. */
  readonly subjects?: readonly KnownSubject[];
  /** Left out: an app for each selector of labels that a role has. */
  readonly apps?: readonly KnownApp[];
}

export interface PolicyDiff {
  readonly changes: readonly PolicyChange[];
  /** Whether anything is granted that was not. */
  readonly grants: boolean;
  /** What could not be compared, in sentences; `grants` is true then. */
  readonly undecided: readonly string[];
}

export interface PolicyChange {
  readonly subject: string;
  readonly app: AppFacts;
  readonly effect: "gains" | "loses" | "changes";
  readonly what: "app" | "tool" | "resource" | "prompt";
  /** The tool, URI or prompt; for a pattern one that it stands for. */
  readonly name: string;
  /** The pattern that `name` stands for, if names were not known. */
  readonly pattern: string | undefined;
  /** Why, before and after. */
  readonly before: string;
  readonly after: string;
}

/** Compares what two sets of roles grant. */
export function diffPolicies(
  before: readonly Role[],
  after: readonly Role[],
  world: DiffWorld = {},
): PolicyDiff {
  const changes: PolicyChange[] = [];
  const undecided = new Set<string>();
  if (written(before) === written(after)) return { changes, grants: false, undecided: [] };
  const apps = world.apps ?? sampleApps([...before, ...after], undecided);
  if (!world.subjects) {
    for (const rule of [...before, ...after].flatMap(traitRules)) {
      undecided.add(`${rule.role}, ${rule.path}: name the bots whose traits it stands for`);
    }
  }
  for (const subject of world.subjects ?? anyone(before, after)) {
    const held = [before, after].map((roles) => heldBy(subject, roles));
    for (const app of apps) {
      const [old, now] = held.map((roles) => rulesOf(roles, subject, app));
      if (old && now) comparePair(old, now, subject, app, changes, undecided);
    }
  }
  const grants = undecided.size > 0 || changes.some(({ effect }) => effect !== "loses");
  return { changes, grants, undecided: [...undecided] };
}

/** Roles up to which every two of them are compared as one bot's. */
const PAIR_LIMIT = 12;

/** Every role by itself, every two, and all together. */
function anyone(before: readonly Role[], after: readonly Role[]): KnownSubject[] {
  const names = [...new Set([...before, ...after].map(({ name }) => name))].sort();
  const holding = (roles: readonly string[]) => ({
    name: roles.length === 1 ? `role ${roles[0]} alone` : `roles ${roles.join(" and ")}`,
    roles,
    traits: {},
  });
  const pairs = names.length > PAIR_LIMIT
    ? []
    : names.flatMap((name, index) => names.slice(index + 1).map((other) => holding([name, other])));
  const all = names.length > 2 ? [{ name: "all roles together", traits: {} }] : [];
  return [...names.map((name) => holding([name])), ...pairs, ...all];
}

/** The roles as text: the same text is the same policy, whoever asks. */
function written(roles: readonly Role[]): string {
  return JSON.stringify(roles.map(({ resource }) => JSON.stringify(resource)).sort());
}

/** Rules of lists that stand for a principal's traits. */
function traitRules({ allow, deny }: Role): RuleRef[] {
  return [allow, deny].flatMap(({ tools, resources, prompts }) =>
    [...tools, ...resources ?? [], ...prompts ?? []]
      .filter(({ pattern }) => pattern === undefined).map(({ ref }) => ref)
  );
}

function heldBy(subject: KnownSubject, roles: readonly Role[]): readonly Role[] {
  return subject.roles ? roles.filter(({ name }) => subject.roles?.includes(name)) : roles;
}

/** The rules, or why there are none: roles that cannot be judged grant nothing. */
type Judged = { readonly lists: RuleLists | undefined; readonly access: Decision | string };

function rulesOf(roles: readonly Role[], subject: Subject, app: AppFacts): Judged {
  try {
    const lists = listRules(roles, subject, app);
    return { lists, access: lists.access };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { lists: undefined, access: error.message };
  }
}

function comparePair(
  old: Judged,
  now: Judged,
  subject: Subject,
  app: KnownApp,
  changes: PolicyChange[],
  undecided: Set<string>,
): void {
  const base = { subject: subject.name, app: { name: app.name, labels: app.labels } };
  if (isOpen(old) !== isOpen(now)) {
    changes.push({
      ...base,
      effect: isOpen(now) ? "gains" : "loses",
      what: "app",
      name: app.name,
      pattern: undefined,
      before: describeAccess(old),
      after: describeAccess(now),
    });
  }
  const record = (what: "tool" | "resource" | "prompt") => (found: Comparison) => {
    if (found.kind === "undecided") {
      undecided.add(`${subject.name} at ${app.name}: ${what} ${found.pattern}`);
    } else changes.push({ ...base, ...found.change, what });
  };
  const tools = [old, now].map(toolRules);
  const resources = [old, now].map((judged) => listedRules(judged, "resources"));
  const prompts = [old, now].map((judged) => listedRules(judged, "prompts"));
  for (
    const [what, pair, names] of [
      ["tool", tools, app.tools],
      ["resource", resources, undefined],
      ["prompt", prompts, undefined],
    ] as const
  ) {
    const [a, b] = pair;
    if (a && b) compareLists(a, b, names).forEach(record(what));
  }
}

function isOpen({ lists }: Judged): boolean {
  return lists?.access.effect === "allow";
}

function describeAccess({ access }: Judged): string {
  return typeof access === "string" ? access : describeDecision(access);
}

/** What a closed app has, of anything. */
const CLOSED: NamedRules = { deny: [], allow: [] };

function toolRules(judged: Judged): NamedRules {
  return judged.lists && isOpen(judged) ? judged.lists.tools : CLOSED;
}

function listedRules(judged: Judged, list: "resources" | "prompts"): NamedRules {
  const { lists } = judged;
  if (!lists || !isOpen(judged) || lists.access.effect !== "allow") return CLOSED;
  const { deny, allow }: Lists = lists[list];
  const plain = (entries: Lists["deny"]): GuardedEntry[] =>
    entries.map((entry) => ({ ...entry, condition: undefined, sha256: undefined }));
  if (allow !== undefined) return { deny: plain(deny), allow: plain(allow) };
  // A list that nobody restricts is open to every text, newlines and all.
  const anything = compilePattern("^(?s).*$");
  return {
    deny: plain(deny),
    allow: anything.ok ? plain([{ pattern: anything.pattern, ref: lists.access.by }]) : [],
  };
}
