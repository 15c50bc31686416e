import assert from "node:assert/strict";
import {
  compilePolicy,
  describeDecision,
  formatProblem,
  parseRole,
  parseRoles,
  PolicyError,
} from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const GUIDE_ROLE = `kind: role
version: v6
metadata:
  name: example-role
spec:
  allow:
    app_labels:
      env: dev
    mcp:
      tools:
        - '*'
`;

test("parseRole() reads the guide's role", () => {
  const role = parseRole(GUIDE_ROLE, "role.yaml");
  assert.equal(role.name, "example-role");
  assert.equal(role.version, "v6");
  const policy = compilePolicy([role], { name: "bot-example", traits: {} }, {
    name: "my-mcp-server",
    labels: { env: "dev" },
  });
  assert.equal(policy.access.effect, "allow");
  assert.equal(policy.toolsUnrestricted, true);
  assert.equal(
    describeDecision(policy.decideTool("echo")),
    'Allowed by role "example-role", spec.allow.mcp.tools[0] "*" (role.yaml:11)',
  );
});

test("parseRoles() finds every mistake of every document in one pass, each with its place", () => {
  const text = `kind: role
version: v9
metadata: {name: one, lables: {}}
spec:
  alow: {}
  allow:
    app_labels: {port: 8080}
    app_labels_expression: 'labels["x"] = "y"'
    mcp:
      tools:
        - '{{internal.mcp_tool}}'
        - "^(a$"
        - {name: x, were: 'a'}
---
kind: role
version: v8
metadata: {name: two}
spec:
  options: {lock: stric}
---
kind: bot
version: v1
---
- a list
`;
  const { roles, problems } = parseRoles(text, "roles.yaml");
  assert.deepEqual(roles, []);
  assert.deepEqual(problems.map(formatProblem), [
    'roles.yaml:2:10: role version "v9" is not supported (known are v3, v4, v5, v6, v7, v8)',
    "roles.yaml:3:23: metadata.lables is not a known field (did you mean labels?)",
    "roles.yaml:5:3: spec.alow is not a known field (did you mean allow?)",
    'roles.yaml:7:24: spec.allow.app_labels["port"] must be text, not a number (quote it: "8080")',
    'roles.yaml:8:41: spec.allow.app_labels_expression: Unexpected "="; write ==',
    'roles.yaml:11:14: spec.allow.mcp.tools[0]: "internal.mcp_tool" does not exist (did you mean mcp_tools?)',
    "roles.yaml:12:13: spec.allow.mcp.tools[1]: missing closing )",
    "roles.yaml:13:21: spec.allow.mcp.tools[2].were is not a known field (did you mean where?)",
    'roles.yaml:19:19: spec.options.lock: "stric" is not a value it knows (did you mean strict?)',
    "roles.yaml:21:7: Expected kind: role, found kind: bot",
    "roles.yaml:24:1: A role must be a mapping, not a list",
  ]);
});

test("parseRoles() reports what it accepts and does not enforce", () => {
  const text = `kind: role
version: v8
metadata: {name: one}
spec:
  allow:
    logins: [root]
    kubernetes_resources: [{kind: pod, name: '*'}]
  options:
    forward_agent: true
`;
  const { roles, problems, notices } = parseRoles(text, "r.yaml");
  assert.deepEqual(problems, []);
  assert.deepEqual(notices.map(formatProblem), [
    "r.yaml:6:5: spec.allow.logins is kept and not enforced: it does not concern MCP access",
    "r.yaml:7:5: spec.allow.kubernetes_resources is kept and not enforced: it does not concern MCP access",
    "r.yaml:9:5: spec.options.forward_agent is kept and not enforced: it does not concern MCP access",
  ]);
  assert.equal(
    JSON.stringify(roles[0]?.resource["spec"]),
    '{"allow":{"logins":["root"],"kubernetes_resources":[{"kind":"pod","name":"*"}]},' +
      '"options":{"forward_agent":true}}',
  );
});

test("parseRoles() reads JSON, and YAML with anchors and merges", () => {
  const json = JSON.stringify({ kind: "role", version: "v8", metadata: { name: "j" }, spec: {} });
  assert.equal(parseRole(json, "r.json").name, "j");
  const yaml = `kind: role
version: v8
metadata: {name: m}
spec:
  allow: &side
    app_labels: {env: dev}
    mcp: {tools: [a]}
  deny:
    <<: *side
    app_labels: {env: prod}
`;
  const role = parseRole(yaml, "r.yaml");
  assert.deepEqual(role.deny.tools.map(({ ref }) => ref.rule), ["a"]);
  assert.equal(role.deny.labels?.ref.rule, "env: prod");
});

test("parseRole() throws ROLE_INVALID with all problems, and wants one role", () => {
  assert.throws(() => parseRole("kind: role\nversion: v8\n", "r.yaml"), (error: PolicyError) => {
    assert.equal(error.code, "ROLE_INVALID");
    assert.deepEqual(error.problems.map(({ message }) => message), ["metadata.name is missing"]);
    return true;
  });
  assert.throws(() => parseRole("", "r.yaml"), PolicyError);
  assert.throws(() => parseRole(`${GUIDE_ROLE}---\n${GUIDE_ROLE}`, "r.yaml"), PolicyError);
  const other = GUIDE_ROLE.replace("example-role", "other");
  assert.throws(() => parseRole(`${GUIDE_ROLE}---\n${other}`, "r.yaml"), PolicyError);
});

test("parseRoles() reports bad YAML where it is, duplicate keys too", () => {
  const duplicate = parseRoles("kind: role\nkind: role\n", "r.yaml").problems;
  assert.deepEqual(duplicate.map(formatProblem), [
    "r.yaml:2:1: Not valid YAML: Map keys must be unique",
  ]);
  const open = parseRoles("kind: [role\n", "r.yaml").problems;
  assert.equal(open[0]?.at.file, "r.yaml");
  assert.ok(open.length > 0);
});

test("compilePolicy() takes the least lifetime and the strictest lock of all roles", () => {
  const role = (name: string, options: string) =>
    parseRole(
      `kind: role\nversion: v8\nmetadata: {name: ${name}}\nspec:\n  options: ${options}\n`,
      `${name}.yaml`,
    );
  const compile = (...roles: ReturnType<typeof role>[]) => {
    const policy = compilePolicy(roles, { name: "b", traits: {} }, { name: "a", labels: {} });
    return [policy.maxSessionTtl, policy.lock];
  };
  assert.deepEqual(compile(), [108_000, "best_effort"]);
  assert.deepEqual(compile(role("a", "{}")), [108_000, "best_effort"]);
  assert.deepEqual(
    compile(role("a", "{max_session_ttl: 8h}"), role("b", "{max_session_ttl: 1h30m}")),
    [5400, "best_effort"],
  );
  assert.deepEqual(
    compile(role("a", "{lock: strict, max_session_ttl: 90s}"), role("b", "{lock: best_effort}")),
    [90, "strict"],
  );
  assert.deepEqual(compile(role("a", "{max_session_ttl: '0'}")), [108_000, "best_effort"]);
});

test("compilePolicy() throws POLICY_INVALID where a trait makes a rule impossible to judge", () => {
  const role = parseRole(GUIDE_ROLE.replace("'*'", "'{{external.tools}}'"), "role.yaml");
  const compile = (tools: string[], labels: Record<string, string>) =>
    compilePolicy([role], { name: "bot-x", traits: { tools } }, { name: "app", labels });
  assert.throws(() => compile(["ok", "^(a$"], { env: "dev" }), (error: PolicyError) => {
    assert.equal(error.code, "POLICY_INVALID");
    assert.deepEqual(error.problems.map(formatProblem), [
      'role.yaml:11:11: Role "example-role", spec.allow.mcp.tools[0], for "bot-x": "^(a$": missing closing )',
    ]);
    return true;
  });
  // The tools of a role whose labels do not fit are never looked at.
  assert.equal(compile(["^(a$"], { env: "prod" }).access.effect, "deny");
});

test("names that JavaScript gives meaning to are names like others", () => {
  const text = `kind: role
version: v8
metadata: {name: __proto__}
spec:
  allow:
    app_labels: {__proto__: x, constructor: '{{external.toString}}'}
    mcp: {tools: [__proto__, hasOwnProperty]}
`;
  const role = parseRole(text, "r.yaml");
  const labels = Object.assign(Object.create(null), { ["__proto__"]: "x", constructor: "y" });
  const traits = Object.assign(Object.create(null), { toString: ["y"] });
  const policy = compilePolicy([role], { name: "b", traits }, { name: "a", labels });
  assert.equal(policy.decideTool("__proto__").effect, "allow");
  assert.equal(policy.decideTool("constructor").effect, "deny");
  const bare = compilePolicy([role], { name: "b", traits: {} }, { name: "a", labels: {} });
  assert.equal(bare.access.effect, "deny");
});
