import assert from "node:assert/strict";
import { diffPolicies, type DiffWorld, type PolicyDiff } from "../../policy/diff.ts";
import { formatPolicyDiff } from "../../policy/diff_report.ts";
import { parseRoles } from "../../policy/mod.ts";
import type { Role } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

interface Side {
  readonly labels?: Record<string, unknown>;
  readonly expression?: string;
  readonly tools?: readonly unknown[];
  readonly resources?: readonly string[];
}

function roles(...all: readonly [name: string, allow: Side, deny?: Side][]): readonly Role[] {
  const side = ({ labels, expression, tools, resources }: Side) => ({
    ...(labels && { app_labels: labels }),
    ...(expression && { app_labels_expression: expression }),
    mcp: { ...(tools && { tools }), ...(resources && { resources }) },
  });
  const text = all.map(([name, allow, deny]) => {
    const spec = { allow: side(allow), deny: side(deny ?? {}) };
    return `--- ${JSON.stringify({ kind: "role", version: "v8", metadata: { name }, spec })}\n`;
  });
  const parsed = parseRoles(text.join(""), "roles.yaml");
  assert.deepEqual(parsed.problems, []);
  return parsed.roles;
}

const DEV = { env: "dev" };
const BOT: DiffWorld = {
  subjects: [{ name: "bot", traits: { t: ["echo"] } }],
  apps: [{ name: "app", labels: DEV }],
};

function brief({ changes }: PolicyDiff): string[] {
  return changes.map(({ effect, what, name }) => `${effect} ${what} ${name}`);
}

test("diffPolicies() finds nothing between roles that say the same in other words", () => {
  const old = roles(["a", { labels: DEV, tools: ["read_*", "^x(1|2)$"] }]);
  const now = roles(["b", { labels: DEV, tools: ["read_a*", "read_*", "x1"] }], [
    "c",
    { labels: DEV, tools: ["x2"] },
  ]);
  assert.deepEqual(diffPolicies(old, now, BOT), { changes: [], grants: false, undecided: [] });
});

test("diffPolicies() compares the tools that are known, one by one", () => {
  const old = roles(["a", { labels: DEV, tools: ["read_*", "echo"] }]);
  const now = roles(["a", { labels: DEV, tools: ["*"] }, { tools: ["echo"] }]);
  const app = { name: "app", labels: DEV, tools: ["read_a", "echo", "write"] };
  const diff = diffPolicies(old, now, { ...BOT, apps: [app] });
  const tools = diff.changes.filter(({ what }) => what === "tool");
  assert.deepEqual(tools.map(({ effect, name }) => `${effect} ${name}`), [
    "loses echo",
    "gains write",
  ]);
  assert.equal(diff.grants, true);
});

test("diffPolicies() shows a name that proves a change where tools are not known", () => {
  const old = roles(["a", { labels: DEV, tools: ["*"] }, { tools: ["delete_*"] }]);
  const now = roles(["a", { labels: DEV, tools: ["*"] }, { tools: ["delete_a*"] }]);
  const diff = diffPolicies(old, now, BOT);
  assert.deepEqual(brief(diff), ["gains tool delete_"]);
  assert.equal(diff.changes[0]?.pattern, "delete_*");
  assert.deepEqual(brief(diffPolicies(now, old, BOT)), ["loses tool delete_"]);
  assert.equal(diffPolicies(now, old, BOT).grants, false);
});

test("diffPolicies() sees an app that opens, one that closes, and roles that cannot be judged", () => {
  const open = roles(["a", { labels: DEV }]);
  const closed = roles(["a", { labels: { env: "prod" } }]);
  const tools = (diff: PolicyDiff) => brief(diff).filter((line) => line.includes(" app "));
  assert.deepEqual(tools(diffPolicies(closed, open, BOT)), ["gains app app"]);
  assert.deepEqual(tools(diffPolicies(open, closed, BOT)), ["loses app app"]);
  const broken = roles(["a", { labels: { env: "{{external.bad}}" } }]);
  const bad = { ...BOT, subjects: [{ name: "bot", traits: { bad: ["^(a$"] } }] };
  assert.deepEqual(tools(diffPolicies(open, broken, bad)), ["loses app app"]);
});

test("diffPolicies() counts a condition or a pin that is dropped as a gain", () => {
  const where = { name: "write", where: 'arguments.path == "/tmp"' };
  const old = roles(["a", { labels: DEV, tools: [where] }]);
  const now = roles(["a", { labels: DEV, tools: ["write"] }]);
  assert.deepEqual(brief(diffPolicies(old, now, BOT)), ["gains tool write"]);
  assert.deepEqual(brief(diffPolicies(now, old, BOT)), ["loses tool write"]);
  const other = roles(["a", {
    labels: DEV,
    tools: [{ ...where, where: 'arguments.path == "/"' }],
  }]);
  assert.deepEqual(brief(diffPolicies(old, other, BOT)), ["changes tool write"]);
  assert.equal(diffPolicies(old, other, BOT).grants, true);
});

test("diffPolicies() sees that resources are no longer restricted", () => {
  const old = roles(["a", { labels: DEV, resources: ["file:*"] }]);
  const now = roles(["a", { labels: DEV }]);
  const diff = diffPolicies(old, now, BOT);
  assert.deepEqual(diff.changes.map(({ effect, what }) => `${effect} ${what}`), ["gains resource"]);
  assert.equal(diffPolicies(now, old, BOT).grants, false);
});

test("diffPolicies() makes up bots and apps from the roles when none are named", () => {
  const old = roles(["a", { labels: DEV, tools: ["read_*"] }], ["d", {}, {
    labels: { env: "d*" },
  }]);
  const now = roles(["a", { labels: DEV, tools: ["*"] }], ["d", {}, { labels: { env: "x*" } }]);
  const diff = diffPolicies(old, now);
  assert.deepEqual(diff.undecided, []);
  assert.ok(
    diff.changes.some(({ subject, app, effect, what }) =>
      subject === "roles a and d" && app.labels["env"] === "dev" && effect === "gains" &&
      what === "app"
    ),
  );
  assert.ok(
    diff.changes.some(({ subject, effect, what }) =>
      subject === "role a alone" && effect === "gains" && what === "tool"
    ),
  );
  assert.equal(diffPolicies(old, old).grants, false);
});

test("diffPolicies() says what it cannot compare, and takes it for a grant", () => {
  const trait = roles(["a", { labels: DEV, tools: ["{{external.tools}}"] }]);
  const expression = roles(["a", { expression: 'labels["env"] == "dev"', tools: ["x"] }]);
  const plain = roles(["a", { labels: DEV, tools: ["x"] }]);
  for (const other of [trait, expression]) {
    const diff = diffPolicies(plain, other);
    assert.equal(diff.grants, true);
    assert.equal(diff.undecided.length, 1);
  }
  assert.deepEqual(diffPolicies(expression, expression).undecided, []);
});

test("formatPolicyDiff() says who, where, what, and by which rule", () => {
  const old = roles(["a", { labels: DEV, tools: ["read_*"] }]);
  const now = roles(["a", { labels: DEV, tools: ["read_*", "write_*"] }]);
  assert.equal(
    formatPolicyDiff(diffPolicies(old, now, BOT)),
    `bot on app
  + tools of write_*, for instance "write_"
      before: no role allows it
      after:  allowed by role "a", spec.allow.mcp.tools[1] "write_*" (roles.yaml:1)
`,
  );
  assert.equal(formatPolicyDiff(diffPolicies(old, old, BOT)), "No difference\n");
});
