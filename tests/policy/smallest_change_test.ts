import assert from "node:assert/strict";
import { parseRoles, smallestChange, type What } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

function steps(text: string, labels: Record<string, string>, what: What): string[] | undefined {
  const { roles, problems } = parseRoles(text, "r.yaml");
  assert.deepEqual(problems, []);
  const subject = { name: "bot", traits: {} };
  return smallestChange(roles, { subject, app: { name: "files", labels }, what })
    ?.map(({ message }) => message);
}

const role = (name: string, spec: string) =>
  `---\nkind: role\nversion: v8\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const reader = role("reader", "{allow: {app_labels: {env: dev}, mcp: {tools: ['read_*', echo]}}}");
const admin = role("admin", "{allow: {app_labels: {env: prod, team: a}, mcp: {tools: ['*']}}}");
const DEV = { env: "dev" };

const cases: {
  promise: string;
  text: string;
  labels: Record<string, string>;
  what: What;
  steps: string[] | undefined;
}[] = [
  {
    promise: "adds the tool to the role that opens the app already",
    text: admin + reader,
    labels: DEV,
    what: { kind: "tool", name: "write" },
    steps: ['add "write" to spec.allow.mcp.tools of role "reader"'],
  },
  {
    promise: "names a tool with an asterisk so that nothing else is granted",
    text: reader,
    labels: DEV,
    what: { kind: "tool", name: "a*.b" },
    steps: ['add "^a\\\\*\\\\.b$" to spec.allow.mcp.tools of role "reader"'],
  },
  {
    promise: "removes every rule that denies",
    text: reader + role("x", "{deny: {mcp: {tools: ['read_*']}}}") +
      role("y", "{deny: {mcp: {tools: [read_a]}}}"),
    labels: DEV,
    what: { kind: "tool", name: "read_a" },
    steps: [
      'remove spec.deny.mcp.tools[0] "read_*" from role "x"',
      'remove spec.deny.mcp.tools[0] "read_a" from role "y"',
    ],
  },
  {
    promise: "widens the labels of a role that allows the tool",
    text: reader,
    labels: { env: "test" },
    what: { kind: "tool", name: "echo" },
    steps: ['add "test" to spec.allow.app_labels["env"] of role "reader"'],
  },
  {
    promise: "gives the app a label that it lacks",
    text: admin,
    labels: { env: "prod" },
    what: { kind: "tool", name: "echo" },
    steps: ["give app files the label team: a"],
  },
  {
    promise: "takes the way with the fewest steps",
    text: admin + reader,
    labels: { env: "test" },
    what: { kind: "tool", name: "echo" },
    steps: ['add "test" to spec.allow.app_labels["env"] of role "reader"'],
  },
  {
    promise: "switches off what a machine cannot meet",
    text: role(
      "m",
      "{allow: {app_labels: {env: dev}}, options: {require_session_mfa: true}}",
    ),
    labels: DEV,
    what: { kind: "app" },
    steps: ['switch off spec.options.require_session_mfa in role "m"'],
  },
  {
    promise: "removes a rule that allows this tool alone",
    text: reader,
    labels: DEV,
    what: { kind: "tool", name: "echo" },
    steps: ['remove spec.allow.mcp.tools[1] "echo" from role "reader"'],
  },
  {
    promise: "denies one tool of a pattern that allows others",
    text: reader,
    labels: DEV,
    what: { kind: "tool", name: "read_a" },
    steps: ['add "read_a" to spec.deny.mcp.tools of role "reader"'],
  },
  {
    promise: "denies a tool that several rules allow",
    text: reader + role("z", "{allow: {app_labels: {env: dev}, mcp: {tools: ['*']}}}"),
    labels: DEV,
    what: { kind: "tool", name: "echo" },
    steps: ['add "echo" to spec.deny.mcp.tools of role "reader"'],
  },
  {
    promise: "takes away the roles that open an app",
    text: reader,
    labels: DEV,
    what: { kind: "app" },
    steps: ['take role "reader" from bot'],
  },
  {
    promise: "adds a tool without its condition",
    text: role(
      "w",
      "{allow: {app_labels: {env: dev}, mcp: {tools: [{name: a, where: 'arguments.x == \"1\"'}]}}}",
    ),
    labels: DEV,
    what: { kind: "tool", name: "a" },
    steps: ['add "a" to spec.allow.mcp.tools of role "w"'],
  },
  {
    promise: "knows no way where an expression keeps the app closed",
    text: role("e", '{allow: {app_labels_expression: \'labels["env"] == "x"\'}}'),
    labels: DEV,
    what: { kind: "app" },
    steps: undefined,
  },
];

for (const { promise, text, labels, what, steps: expected } of cases) {
  test(`smallestChange() ${promise}`, () => {
    assert.deepEqual(steps(text, labels, what), expected);
  });
}
