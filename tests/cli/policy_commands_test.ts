import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PolicyError } from "../../policy/mod.ts";
import { test, type TestContext } from "../support/harness.ts";
import { runPolicy } from "../support/policy_command.ts";

const ROLE = `kind: role
version: v8
metadata: {name: reader}
spec:
  allow:
    app_labels: {env: dev}
    mcp:
      tools:
      - read_*
      - read_file
`;

const CASES = `roles: [role.yaml]
cases:
- name: readers read
  app: {name: files, labels: {env: dev}}
  tool: read_file
  expect: allow
- name: readers do not write
  app: {name: files, labels: {env: dev}}
  tool: write_file
  expect: EXPECTED
`;

function setUp(context: TestContext, expected = "deny") {
  const root = mkdtempSync(join(tmpdir(), "postern-policy-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const role = join(root, "role.yaml");
  const cases = join(root, "role_test.yaml");
  writeFileSync(role, ROLE);
  writeFileSync(cases, CASES.replace("EXPECTED", expected));
  return {
    root,
    role,
    cases,
    run: (...args: string[]) => runPolicy(args),
  };
}

test("`policy lint` finds a rule that adds nothing, and fails", async (context) => {
  const { role, run } = setUp(context);
  const { code, stdout, stderr } = await run("lint", role);
  assert.equal(code, 1);
  assert.ok(stdout.startsWith(`${role}:10:9: warning: `), stdout);
  assert.match(stdout, /\[covered-rule\]/);
  assert.equal(stderr, "Checked 1 file: 0 errors, 1 warning, 0 notes\n");
});

test("`policy lint --fix` removes the rule, and passes", async (context) => {
  const { role, run } = setUp(context);
  const { code, stdout, stderr } = await run("lint", "--fix", role);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
  assert.match(stderr, /^Removed 1 rule\n/);
  assert.equal(readFileSync(role, "utf8"), ROLE.replace("      - read_file\n", ""));
});

test("`policy lint` names the place of what does not compile", async (context) => {
  const { role, run } = setUp(context);
  writeFileSync(role, ROLE.replace("- read_file", () => "- '^a(b$'"));
  const { code, stdout } = await run("lint", role, "-f", "github");
  assert.equal(code, 1);
  assert.ok(stdout.startsWith(`::error file=${role},line=10,col=`), stdout);
});

test("`policy lint --tools` knows which tools there are", async (context) => {
  const { role, root, run } = setUp(context);
  const tools = join(root, "tools.json");
  writeFileSync(tools, JSON.stringify({ result: { tools: [{ name: "write_file" }] } }));
  const { stdout } = await run("lint", role, "--tools", tools, "--format=json");
  const rules = JSON.parse(stdout).findings.map(({ rule }: { rule: string }) => rule);
  assert.equal(rules.filter((rule: string) => rule === "unknown-tool").length, 2);
  writeFileSync(tools, "{}");
  await assert.rejects(run("lint", role, "--tools", tools), { code: "BAD_REQUEST" });
});

test("`policy test` puts the cases of a folder to the roles beside them", async (context) => {
  const { root, run } = setUp(context);
  const { code, stdout } = await run("test", root);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^2 passed, 0 failed$/m);
});

test("`policy test` fails when a case answers otherwise", async (context) => {
  const { cases, run } = setUp(context, "allow");
  const { code, stdout } = await run("test", cases, "--format=json");
  assert.equal(code, 1);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.passed, report.failed], [1, 1]);
  const junit = await run("test", cases, "--format=junit");
  assert.match(junit.stdout, /^<\?xml [\s\S]*failures="1"/);
});

test("`policy` refuses a file that is not there, and a folder without files", async (context) => {
  const { root, run } = setUp(context);
  await assert.rejects(run("lint", join(root, "nope.yaml")), { code: "BAD_REQUEST" });
  rmSync(join(root, "role_test.yaml"));
  await assert.rejects(run("test", root), { code: "BAD_REQUEST" });
});

test("a file with thousands of mistakes is told with the first of them, and how many more there are", async (context) => {
  const { root, run } = setUp(context);
  const bad = join(root, "bad.yaml");
  const entries = Array.from({ length: 3000 }, (_, i) => `  unknown_${i}: x\n`).join("");
  writeFileSync(bad, `${ROLE}${entries}`);
  const linted = await run("lint", bad);
  assert.equal(linted.code, 1);
  assert.match(linted.stdout, /… and \d{4} more findings; --format=json has them all\n$/);
  assert.ok(JSON.parse((await run("lint", "--format=json", bad)).stdout).findings.length >= 3000);
  const explained = run("explain", "--role", bad, "--app=files");
  await assert.rejects(explained, (error) => {
    assert.ok(error instanceof PolicyError);
    assert.match(error.message, /\n… and \d+ more$/);
    assert.ok(error.message.split("\n").length < 60);
    return true;
  });
});

test("`policy schema` prints the schema that is published", async () => {
  const { code, stdout } = await runPolicy(["schema"]);
  assert.equal(code, 0);
  assert.equal(stdout, readFileSync("docs/schema/role.schema.json", "utf8"));
});
