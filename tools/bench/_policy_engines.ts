// One workload, many engines. Each answers the same questions; the verdicts are compared.
import { newEnforcer, newModelFromString } from "casbin";
import picomatch from "picomatch";
import { RE2JS } from "re2js";
import { compilePolicy, parseRole } from "../../policy/mod.ts";
import type { AppPolicy, Role } from "../../policy/mod.ts";
import type { BenchApp, BenchPattern, BenchRole, Workload } from "./_policy_workload.ts";

/** Whether a tool of an app is allowed. */
export type Ask = (app: number, tool: string) => boolean;

/** Answers at once, and wrong: what the harness itself costs. */
export const FLOOR = "(harness)";

export const ENGINES: Readonly<Record<string, (load: Workload) => Ask | Promise<Ask>>> = {
  postern,
  [FLOOR]: () => (app, tool) => tool.length > app,
  re2js: (load) =>
    byPatterns(load, ({ source }) => {
      const compiled = RE2JS.compile(asExpression(source));
      return (text) => compiled.matcher(text).find();
    }),
  picomatch: (load) =>
    byPatterns(load, ({ source, globs }) => {
      if (!source.startsWith("^")) return picomatch([...globs]);
      const expression = new RegExp(source);
      return (text) => expression.test(text);
    }),
  casbin,
  "casbin, by rows": casbinRows,
  cedar,
};

/** The roles of a workload, as a file has them. */
export function parsedRoles({ allow, deny }: Workload): Role[] {
  const roles = allow.map((role) => parseRole(roleText(role, "allow"), role.name));
  return [...roles, parseRole(roleText(deny, "deny"), deny.name)];
}

/** Roles compiled once for each app, as an agent holds them. */
function postern(load: Workload): Ask {
  const { apps } = load;
  const roles = parsedRoles(load);
  const subject = { name: "bot", traits: {} };
  const policies: AppPolicy[] = [];
  const open = (app: number) => policies[app] = compilePolicy(roles, subject, apps[app]!);
  return (app, tool) => (policies[app] ?? open(app)).decideTool(tool).effect === "allow";
}

function roleText({ name, labels, tools }: BenchRole, side: "allow" | "deny"): string {
  const sources = (patterns: readonly BenchPattern[]) => patterns.map(({ source }) => source);
  const selector = Object.entries(labels).map(([key, values]) => [key, sources(values)]);
  const conditions = {
    ...(selector.length > 0 && { app_labels: Object.fromEntries(selector) }),
    mcp: { tools: sources(tools) },
  };
  const spec = { [side]: conditions };
  return JSON.stringify({ kind: "role", version: "v8", metadata: { name }, spec });
}

type Test = (text: string) => boolean;

/** The original's rules over any way of matching one pattern, each compiled once. */
function byPatterns(load: Workload, compile: (pattern: BenchPattern) => Test): Ask {
  const known = new Map<string, Test>();
  const test = (pattern: BenchPattern) => {
    let compiled = known.get(pattern.source);
    if (!compiled) known.set(pattern.source, compiled = compile(pattern));
    return compiled;
  };
  const roles = load.allow.map((role) => ({
    labels: Object.entries(role.labels).map(([key, values]) => [key, values.map(test)] as const),
    tools: role.tools.map(test),
  }));
  const denied = load.deny.tools.map(test);
  return (app, tool) => {
    if (denied.some((d) => d(tool))) return false;
    const labels = load.apps[app]!.labels;
    return roles.some((role) =>
      role.labels.every(([key, values]) => values.some((v) => v(labels[key]!))) &&
      role.tools.some((t) => t(tool))
    );
  };
}

function asExpression(source: string): string {
  if (source.startsWith("^")) return source;
  return `^${source.split("*").map((piece) => RE2JS.quote(piece)).join("(.*)")}$`;
}

/** Casbin with as little to do as can be: one function of ours judges a role whole. */
async function casbin(load: Workload): Promise<Ask> {
  const enforcer = await newEnforcer(newModelFromString(`
[request_definition]
r = app, tool
[policy_definition]
p = role, eft
[policy_effect]
${EFFECT}
[matchers]
m = fits(r.app, r.tool, p.role)
`));
  const byName = new Map<string, BenchRole>();
  for (const role of [...load.allow, load.deny]) {
    byName.set(role.name, role);
    await enforcer.addPolicy(role.name, role === load.deny ? "deny" : "allow");
  }
  const matches = expressions();
  await enforcer.addFunction("fits", (app: BenchApp, tool: string, name: string) => {
    const role = byName.get(name)!;
    return Object.entries(role.labels).every(([key, values]) =>
      values.some((value) => matches(value, app.labels[key]!))
    ) && role.tools.some((pattern) => matches(pattern, tool));
  });
  return (app, tool) => enforcer.enforceSync(load.apps[app], tool);
}

/** Casbin as its documentation has it: the model says how, each row of the policy what. */
async function casbinRows(load: Workload): Promise<Ask> {
  const keys = Object.keys(load.allow[0]!.labels);
  const tests = [...keys.map((key) => `fits(r.${key}, p.${key})`), "fits(r.tool, p.tools)"];
  const enforcer = await newEnforcer(newModelFromString(`
[request_definition]
r = ${keys.join(", ")}, tool
[policy_definition]
p = ${keys.join(", ")}, tools, eft
[policy_effect]
${EFFECT}
[matchers]
m = ${tests.join(" && ")}
`));
  const lists = new Map<string, readonly BenchPattern[]>();
  const named = (patterns: readonly BenchPattern[]) => {
    const name = patterns.map(({ source }) => source).join(";");
    lists.set(name, patterns);
    return name;
  };
  const any = [{ source: "*", globs: ["*"] }];
  for (const role of [...load.allow, load.deny]) {
    const columns = keys.map((key) => named(role.labels[key] ?? any));
    const effect = role === load.deny ? "deny" : "allow";
    await enforcer.addPolicy(...columns, named(role.tools), effect);
  }
  const matches = expressions();
  await enforcer.addFunction(
    "fits",
    (text: string, list: string) => lists.get(list)!.some((pattern) => matches(pattern, text)),
  );
  return (app, tool) => {
    const { labels } = load.apps[app]!;
    return enforcer.enforceSync(...keys.map((key) => labels[key]), tool);
  };
}

const EFFECT = "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))";

/** Patterns as the runtime's expressions, each compiled once. */
function expressions(): (pattern: BenchPattern, text: string) => boolean {
  const compiled = new Map<string, RegExp>();
  return ({ source }, text) => {
    let expression = compiled.get(source);
    if (!expression) compiled.set(source, expression = new RegExp(asExpression(source)));
    return expression.test(text);
  };
}

async function cedar(load: Workload): Promise<Ask> {
  const { preparsePolicySet, statefulIsAuthorized } = await import(
    "@cedar-policy/cedar-wasm/nodejs"
  );
  const likes = (what: string, patterns: readonly BenchPattern[]) =>
    `(${patterns.flatMap(({ globs }) => globs).map((g) => `${what} like "${g}"`).join(" || ")})`;
  const text = (effect: string, role: BenchRole) => {
    const parts = Object.entries(role.labels).map(([k, v]) => likes(`context.${k}`, v));
    parts.push(likes("context.tool", role.tools));
    return `${effect}(principal, action, resource) when { ${parts.join(" && ")} };`;
  };
  const policies = [...load.allow.map((r) => text("permit", r)), text("forbid", load.deny)];
  const parsed = preparsePolicySet("bench", { staticPolicies: policies.join("\n") });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed.errors));
  return (app, tool) => {
    const answer = statefulIsAuthorized({
      principal: { type: "Bot", id: "bot" },
      action: { type: "Action", id: "call" },
      resource: { type: "App", id: load.apps[app]!.name },
      context: { ...load.apps[app]!.labels, tool },
      preparsedPolicySetId: "bench",
      entities: [],
    });
    if (answer.type !== "success") throw new Error(JSON.stringify(answer.errors));
    return answer.response.decision === "allow";
  };
}
