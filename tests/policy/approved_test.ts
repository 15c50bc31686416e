import assert from "node:assert/strict";
import { type AppPolicy, compilePolicy, parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const [PINNED, OTHER, THIRD] = ["a", "b", "c"].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];

function policy(spec: string, approved?: Record<string, string[]>): AppPolicy {
  const text = `{kind: role, version: v8, metadata: {name: r}, spec: ${spec}}`;
  const { roles, problems } = parseRoles(text, "role.yaml");
  assert.deepEqual(problems, []);
  const facts = {
    name: "app",
    labels: { env: "dev" },
    approved: approved &&
      new Map(Object.entries(approved).map(([tool, digests]) => [tool, new Set(digests)])),
  };
  return compilePolicy(roles, { name: "bot", traits: {} }, facts);
}

/** Whether list and call agree that a tool of this definition is allowed. */
function allows(of: AppPolicy, tool: string, definition?: string): boolean {
  const listed = of.listTool(tool, definition).effect === "allow";
  assert.equal(
    of.decideTool(tool, { definition }).effect === "allow",
    listed,
    `${tool} list = call`,
  );
  return listed;
}

const ALLOW =
  `{allow: {app_labels: {env: dev}, mcp: {tools: [{name: 'pay*', sha256: ${PINNED}}]}}}`;

test("an approved definition of a tool meets the pin, for this tool and definition only", () => {
  const of = policy(ALLOW, { pay: [OTHER] });
  assert.equal(allows(of, "pay", PINNED), true);
  assert.equal(allows(of, "pay", OTHER), true);
  assert.equal(allows(of, "pay", THIRD), false);
  assert.equal(allows(of, "payroll", OTHER), false);
  assert.equal(allows(of, "pay", undefined), false);
});

test("an approval opens nothing that no rule allows, and outweighs no rule that denies", () => {
  assert.equal(allows(policy(ALLOW, { read: [OTHER] }), "read", OTHER), false);
  const denied = ALLOW.replace(/}$/, `, deny: {mcp: {tools: [{name: pay, sha256: ${OTHER}}]}}}`);
  const of = policy(denied, { pay: [OTHER, THIRD] });
  assert.equal(allows(of, "pay", OTHER), false);
  assert.equal(allows(of, "pay", THIRD), true);
});

test("without approvals a pin is what it says", () => {
  for (const approved of [undefined, {}]) {
    const of = policy(ALLOW, approved);
    assert.equal(allows(of, "pay", PINNED), true);
    assert.equal(allows(of, "pay", OTHER), false);
  }
});
