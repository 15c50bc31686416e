import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { policy } from "../../cli/commands/policy.ts";
import { test, type TestContext } from "../support/harness.ts";

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
    async run(...args: string[]) {
      let stdout = "";
      let stderr = "";
      const code = await policy({
        args,
        stdout: { write: (text) => stdout += text },
        stderr: { write: (text) => stderr += text },
      });
      return { code, stdout, stderr };
    },
  };
}

test("`policy test` exits with 0 when all pass, 1 when a case fails", async (context) => {
  const good = setUp(context);
  const passing = await good.run("test", good.cases);
  assert.deepEqual([passing.code, passing.stderr], [0, ""]);
  const { cases, run } = setUp(context, "allow");
  const { code, stdout, stderr } = await run("test", cases);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(stdout, /^FAILED {2}readers do not write\n {4}at .*\n {4}- allow\n {4}\+ deny: /m);
  assert.match(stdout, /^ {2}never decided: reader .*"read_file"/m);
});

test("`policy test` exits with 2 when a test file is wrong, whatever its cases say", async (context) => {
  const { cases, run } = setUp(context, "maybe");
  for (const format of ["text", "json", "junit"]) {
    const { code, stdout, stderr } = await run("test", cases, `--format=${format}`);
    assert.equal(code, 2);
    assert.match(format === "json" ? stderr : stdout, /must be allow, deny or error/);
  }
});

test("`policy test --format=json` prints passed, failed and cases alone", async (context) => {
  const { cases, run } = setUp(context);
  const { code, stdout, stderr } = await run("test", cases, "--format=json");
  assert.deepEqual([code, stderr], [0, ""]);
  const report = JSON.parse(stdout);
  assert.deepEqual(Object.keys(report), ["passed", "failed", "cases"]);
  assert.deepEqual([report.passed, report.failed, report.cases.length], [2, 0, 2]);
});
