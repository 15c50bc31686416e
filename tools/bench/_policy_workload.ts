// The roles and questions that every engine gets: allow roles with four label matchers and eight
// tool patterns each, and one role that denies. Deterministic, so that all processes agree.

/** A pattern, and the globs that say the same to engines without expressions. */
export interface BenchPattern {
  readonly source: string;
  readonly globs: readonly string[];
}

export interface BenchRole {
  readonly name: string;
  readonly labels: Readonly<Record<string, readonly BenchPattern[]>>;
  readonly tools: readonly BenchPattern[];
}

export interface BenchApp {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Workload {
  readonly allow: readonly BenchRole[];
  readonly deny: BenchRole;
  readonly apps: readonly BenchApp[];
  /** Index of an app, and a tool. */
  readonly asks: readonly (readonly [app: number, tool: string])[];
}

const VERBS = ["get", "list", "read", "search", "create", "update", "delete", "merge"];
const NOUNS = ["issue", "repo", "file", "branch", "user", "query", "table", "review"];
const TEAMS = ["core", "data", "web", "infra", "mobile"];
const LABEL_KEYS = ["env", "team", "tier", "region"];

export const APPS = 200;
export const ASKS = 1024;

export function workload(roles: number): Workload {
  return {
    allow: Array.from({ length: roles }, (_, i) => allowRole(i)),
    deny: {
      name: "deny",
      labels: {},
      tools: [glob("*_secret*"), alternation("^(drop|wipe)_table$", ["drop_table", "wipe_table"])],
    },
    apps: Array.from({ length: APPS }, (_, i) => ({
      name: `app-${i}`,
      labels: {
        env: ["dev", "prod", "staging"][i % 3]!,
        team: `${TEAMS[i % 5]}-${i % 7}`,
        tier: `t${i % 2}`,
        region: i % 4 === 0 ? "us-1" : "eu-1",
      },
    })),
    asks: Array.from({ length: ASKS }, (_, i) => [(i * 37) % APPS, toolName(i, roles)] as const),
  };
}

/** A tool's name; about a third of them are granted by some role, and a few are denied. */
export function toolName(i: number, roles: number): string {
  const [verb, noun] = [VERBS[i % 8]!, NOUNS[(i >> 3) % 8]!];
  if (i % 50 === 7) return `${verb}_secret_${noun}`;
  return i % 3 === 0 ? `${verb}_${noun}` : `${verb}_${noun}_${(i * 7) % roles}`;
}

function allowRole(i: number): BenchRole {
  const [verb, noun] = [VERBS[i % 8]!, NOUNS[(i * 3) % 8]!];
  return {
    name: `role-${i}`,
    labels: {
      env: [glob(i % 2 === 0 ? "dev" : "prod"), glob("stag*")],
      team: [glob(`${TEAMS[i % 5]}-*`), glob(`${TEAMS[(i + 1) % 5]}-*`)],
      tier: [glob("*")],
      region: [alternation("^(eu|us)-1$", ["eu-1", "us-1"])],
    },
    tools: [
      glob(`${verb}_${noun}`),
      glob(`${verb}_${noun}_${i}`),
      glob(`read_*_${i}`),
      glob(`${verb}_re*`),
      glob(`*_${noun}_${i}`),
      glob(`search_${NOUNS[i % 8]}*`),
      alternation(`^(get|list)_${noun}$`, [`get_${noun}`, `list_${noun}`]),
      alternation(`^merge_(branch|review)_${i}$`, [`merge_branch_${i}`, `merge_review_${i}`]),
    ],
  };
}

export { LABEL_KEYS };

function glob(source: string): BenchPattern {
  return { source, globs: [source] };
}

function alternation(source: string, globs: readonly string[]): BenchPattern {
  return { source, globs };
}
