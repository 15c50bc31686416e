import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "../support/harness.ts";
import { runPolicy } from "../support/policy_command.ts";

const ROLE = `kind: role
version: v8
metadata: {name: reader}
spec:
  allow:
    app_labels: {team: '{{external.team}}'}
    mcp: {tools: [read_*]}
  deny:
    mcp: {tools: [read_secret]}
`;

function setUp(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-explain-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const role = join(root, "role.yaml");
  writeFileSync(role, ROLE);
  return {
    role,
    run: (...args: string[]) =>
      runPolicy(["explain", "--role", role, "--app", "files", "--label", "team=a", ...args]),
  };
}

test("`policy explain` names the rule that decides, by file and line", async (context) => {
  const { role, run } = setUp(context);
  const { code, stdout, stderr } = await run("--trait", "team=a", "--tool", "read_secret");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.ok(stdout.includes(`Denied by role "reader"`), stdout);
  assert.ok(stdout.includes(`(${role}:9)`), stdout);
});

test("`policy explain` takes several values of a trait", async (context) => {
  const { run } = setUp(context);
  const { stdout } = await run("--trait", "team=b", "--trait", "team=a");
  assert.match(stdout, /^To reach the app\nAllowed by /);
  const without = await run("--trait", "team=b");
  assert.match(without.stdout, /^Denied: no role allows it$/m);
  assert.match(without.stdout, /label "team" is "a", not "\{\{external\.team\}\}"/);
});

test("`policy explain` shows several tools in a table", async (context) => {
  const { run } = setUp(context);
  const { stdout } = await run("--trait", "team=a", "--tool", "read_a", "read_secret", "other");
  assert.deepEqual(stdout.split("\n").slice(2).map((line) => line.split(/\s+/).slice(0, 3)), [
    ["read_a", "allow", "reader"],
    ["read_secret", "deny:", "denied_by_rule"],
    ["other", "deny:", "no_match"],
    [""],
  ]);
});

test("`policy explain --format=json` holds the same answers", async (context) => {
  const { run } = setUp(context);
  const { stdout } = await run("--trait", "team=a", "--tool", "read_a", "other", "--format=json");
  const { asks } = JSON.parse(stdout);
  assert.deepEqual(asks.map((ask: { effect: string }) => ask.effect), ["allow", "deny"]);
  assert.equal(asks[0].by.line, 7);
  assert.equal(asks[1].roles[0].says, "name_not_matched");
});

const mistakes = [
  ["--label", "env"],
  ["--label", "team=b"],
  ["--trait", "=a"],
  ["--arguments", "{}"],
  ["--tool", "a", "--arguments", "{"],
];

for (const args of mistakes) {
  test(`\`policy explain\` refuses ${args.join(" ")}`, async (context) => {
    await assert.rejects(setUp(context).run(...args), { code: "BAD_REQUEST" });
  });
}

test("`policy explain` answers nothing where a role does not compile", async (context) => {
  const { role, run } = setUp(context);
  writeFileSync(role, ROLE.replace("tools", "tols"));
  await assert.rejects(run(), { code: "ROLE_INVALID" });
});
