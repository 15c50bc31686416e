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
import type { Conditions, Role, Subject } from "./role.ts";
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
  /** Left out: every bot without traits, whichever roles it has. */
  readonly subjects?: readonly KnownSubject[];
  /** Left out: every app, whichever labels it has. */
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
  for (const subject of world.subjects ?? anyone(before, after, undecided)) {
    const [held, holds] = [heldBy(subject, before), heldBy(subject, after)];
    if (written(held) === written(holds)) continue;
    for (const app of world.apps ?? sampleApps([...held, ...holds], undecided)) {
      const [old, now] = [rulesOf(held, subject, app), rulesOf(holds, subject, app)];
      comparePair(old, now, subject, app, changes, undecided);
    }
  }
  const told = world.subjects ? changes : onceEach(changes, world.apps !== undefined);
  const grants = undecided.size > 0 || changes.some(({ effect }) => effect !== "loses");
  return { changes: told, grants, undecided: [...undecided] };
}

/**
 * The same rules make the same change for many made-up bots and apps: it is told of the smallest of
 * them, which come first.
 */
function onceEach(changes: readonly PolicyChange[], byApp: boolean): PolicyChange[] {
  const first = new Map<string, PolicyChange>();
  for (const change of changes) {
    const { subject: _, app, ...said } = change;
    const key = JSON.stringify([said, byApp ? app.name : ""]);
    if (!first.has(key)) first.set(key, change);
  }
  return [...first.values()];
}

/** Pairs of roles that are compared when no bots are named. */
const PAIR_LIMIT = 20_000;

/**
 * Bots that stand for all bots without traits: one for each role that has changed, and one for each
 * two roles of which one has changed.
 *
 * No larger set of roles is needed. Say that a set gains something. Then in the new roles none of
 * it denies, demands or fails, and one, r, grants. In the old roles either one of the set, d,
 * denies, demands or fails: then r and d together gain it as well. Or none grants: then r alone
 * does. Resources and prompts, which a role may restrict merely by having a list, leave a third
 * way: an old role q has a list without the name, and no list of the set has it; then r and q
 * together gain it, since nobody's list stands against r in the new roles. Losses are gains seen
 * from the other side. What two unchanged roles grant together has not changed either.
 */
function anyone(
  before: readonly Role[],
  after: readonly Role[],
  undecided: Set<string>,
): KnownSubject[] {
  const named = (roles: readonly Role[]) => Map.groupBy(roles, ({ name }) => name);
  const [old, now] = [named(before), named(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  const changed = names.filter((name) =>
    written(old.get(name) ?? []) !== written(now.get(name) ?? [])
  );
  const isChanged = new Set(changed);
  // What another role grants by traits can only be seen to be gained or lost by a change of what
  // stands against it, which is anything but the tools that the changed role grants itself.
  const others = changed.some((name) => besideTools(old.get(name)) !== besideTools(now.get(name)));
  for (const role of [...before, ...after]) {
    const rules = isChanged.has(role.name)
      ? traitRules(role.allow, role.deny)
      : others
      ? traitRules(role.allow)
      : [];
    for (const rule of rules) {
      undecided.add(`${rule.role}, ${rule.path}: name the bots whose traits it stands for`);
    }
  }
  const holding = (...roles: readonly string[]): KnownSubject => ({
    name: roles.length === 1 ? `role ${roles[0]} alone` : `roles ${roles.join(" and ")}`,
    roles,
    traits: {},
  });
  const pairs = changed.flatMap((name) =>
    names.filter((other) => isChanged.has(other) ? name < other : true)
      .map((other) => holding(...[name, other].sort()))
  );
  if (pairs.length > PAIR_LIMIT) {
    undecided.add(`more than ${PAIR_LIMIT} pairs of roles: name the bots that there are`);
  }
  return [...changed.map((name) => holding(name)), ...pairs.slice(0, PAIR_LIMIT)];
}

/** The roles as text: the same text is the same policy, whoever asks. */
function written(roles: readonly Role[]): string {
  return JSON.stringify(roles.map(({ resource }) => JSON.stringify(resource)).sort());
}

/** What roles say beside the tools that they grant, as text. */
function besideTools(roles: readonly Role[] = []): string {
  return JSON.stringify(roles.map(({ resource }) => {
    const copy: { spec?: { allow?: { mcp?: { tools?: unknown } } } } = structuredClone(resource);
    delete copy.spec?.allow?.mcp?.tools;
    return copy;
  }));
}

/** Rules of lists that stand for a principal's traits. */
function traitRules(...sides: readonly Conditions[]): RuleRef[] {
  return sides.flatMap(({ tools, resources, prompts }) =>
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

/** The pattern that stands for a list which nobody restricts: every text, newlines and all. */
export const EVERYTHING = "^(?s).*$";

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
  const anything = compilePattern(EVERYTHING);
  return {
    deny: plain(deny),
    allow: anything.ok ? plain([{ pattern: anything.pattern, ref: lists.access.by }]) : [],
  };
}
