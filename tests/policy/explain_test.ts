import assert from "node:assert/strict";
import { explain, formatExplanation, parseRoles, type What } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const ROLES = `kind: role
version: v8
metadata: {name: reader}
spec:
  allow:
    app_labels: {env: dev, team: ['{{external.team}}', b]}
    mcp: {tools: [read_*, {name: write, where: 'arguments.path == "/tmp"'}]}
---
kind: role
version: v8
metadata: {name: no-secrets}
spec: {deny: {mcp: {tools: [read_secret]}}}
---
kind: role
version: v8
metadata: {name: production}
spec: {allow: {app_labels_expression: 'labels["env"] == "prod"', mcp: {tools: [x]}}}
`;

function ask(labels: Record<string, string>, what: What) {
  const { roles, problems } = parseRoles(ROLES, "r.yaml");
  assert.deepEqual(problems, []);
  const subject = { name: "bot", traits: { team: ["a"] } };
  return explain(roles, { subject, app: { name: "files", labels }, what });
}

test("of the roles that open an app, the strictest mcp_repeat_calls holds", () => {
  const of = (...roles: [name: string, env: string, mode: string][]) => {
    const text = roles.map(([name, env, mode]) =>
      `{kind: role, version: v8, metadata: {name: ${name}}, spec: {allow: {app_labels: ` +
      `{env: ${env}}, mcp: {tools: [x]}}, options: {mcp_repeat_calls: ${mode}}}}`
    );
    const parsed = parseRoles(text.join("\n---\n"), "r.yaml");
    assert.deepEqual(parsed.problems, []);
    const app = { name: "files", labels: { env: "dev" } };
    const subject = { name: "bot", traits: {} };
    return explain(parsed.roles, { subject, app, what: tool("x") });
  };
  assert.equal(of(["a", "dev", "''"]).repeats, undefined);
  assert.equal(of(["a", "dev", "idempotent"], ["b", "dev", "''"]).repeats?.mode, "idempotent");
  assert.equal(of(["a", "dev", "idempotent"], ["b", "dev", "read_only"]).repeats?.by.role, "b");
  assert.equal(of(["a", "dev", "idempotent"], ["b", "prod", "never"]).repeats?.mode, "idempotent");
  const never = of(["a", "dev", "never"], ["b", "dev", "idempotent"]);
  assert.match(
    formatExplanation(never),
    /^It is never made again, by spec\.options\.mcp_repeat_calls "mcp_repeat_calls: never" \(r/m,
  );
});

const DEV = { env: "dev", team: "a" };
const PROD = { env: "prod", team: "c" };
const tool = (name: string, args?: unknown): What =>
  args === undefined ? { kind: "tool", name } : { kind: "tool", name, arguments: args };

const cases: { labels: Record<string, string>; what: What; effect: string; says: string[] }[] = [
  {
    labels: DEV,
    what: tool("read_file"),
    effect: "allow",
    says: ["app_not_matched", "app_not_matched", "allow"],
  },
  // The role that would allow it is shown beside the one whose denial wins.
  {
    labels: DEV,
    what: tool("read_secret"),
    effect: "deny",
    says: ["deny", "app_not_matched", "allow"],
  },
  {
    labels: DEV,
    what: tool("list"),
    effect: "deny",
    says: ["app_not_matched", "app_not_matched", "name_not_matched"],
  },
  {
    labels: DEV,
    what: tool("write", { path: "/etc" }),
    effect: "deny",
    says: ["app_not_matched", "app_not_matched", "condition_not_met"],
  },
  {
    labels: DEV,
    what: tool("write", { path: "/tmp" }),
    effect: "allow",
    says: ["app_not_matched", "app_not_matched", "allow"],
  },
  {
    labels: PROD,
    what: tool("read_file"),
    effect: "deny",
    says: ["app_not_matched", "name_not_matched", "app_not_matched"],
  },
  {
    labels: PROD,
    what: { kind: "app" },
    effect: "allow",
    says: ["app_not_matched", "allow", "app_not_matched"],
  },
];

for (const { labels, what, effect, says } of cases) {
  test(`explain() answers ${effect} to ${JSON.stringify(what)} in ${labels["env"]}`, () => {
    const explanation = ask(labels, what);
    assert.equal(explanation.decision.effect, effect);
    assert.deepEqual(explanation.roles.map((role) => role.role), [
      "no-secrets",
      "production",
      "reader",
    ]);
    assert.deepEqual(explanation.roles.map((role) => role.says), says);
  });
}

test("explain() names each label that does not match, with its value and its place", () => {
  const reader = ask({ team: "c" }, tool("read_file")).roles[2];
  assert.ok(reader?.says === "app_not_matched");
  assert.deepEqual(reader.misses.map(({ message, by }) => [message, by?.line]), [
    ['the app has no label "env"', 6],
    ['label "team" is "c", not "{{external.team}}" or "b"', 6],
  ]);
});

test("formatExplanation() gives the answer, then what each role says, with file and line", () => {
  assert.equal(
    formatExplanation(ask(DEV, tool("read_secret"))),
    `To call tool read_secret
Denied by role "no-secrets", spec.deny.mcp.tools[0] "read_secret" (r.yaml:12)
  no-secrets (r.yaml:9): denies it, by spec.deny.mcp.tools[0] "read_secret" (r.yaml:12)
  production (r.yaml:14): does not open the app: labels["env"] == "prod" is false (r.yaml:17)
  reader (r.yaml:1): allows it, by spec.allow.mcp.tools[0] "read_*" (r.yaml:7)
To allow it: remove spec.deny.mcp.tools[0] "read_secret" from role "no-secrets" (r.yaml:12)
`,
  );
});
