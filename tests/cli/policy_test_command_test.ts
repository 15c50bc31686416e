import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test("`policy test --watch` runs again when a file changes, waits for one that is away, and ends when told", async (context) => {
  const { cases, role, root } = setUp(context);
  const stop = new AbortController();
  const shown: string[] = [];
  let told = () => {};
  const running = runPolicy(["test", "--watch", root], {
    signal: stop.signal,
    onOutput: (stdout) => {
      shown.splice(0, shown.length, ...stdout.match(/\d+ passed, \d+ failed/g) ?? []);
      told();
    },
  });
  const until = async (count: number) => {
    while (shown.length < count) await new Promise<void>((resolve) => told = resolve);
    return shown[count - 1];
  };
  // As editors save: a new file takes the place of the old one.
  const save = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  assert.equal(await until(1), "2 passed, 0 failed");
  save(role, ROLE.replace("read_*", "write_*").replace("read_file", "write_file"));
  assert.equal(await until(2), "0 passed, 2 failed");
  rmSync(role);
  assert.equal(await until(3), "1 passed, 1 failed");
  save(role, ROLE);
  assert.equal(await until(4), "2 passed, 0 failed");
  save(cases, CASES.replace("EXPECTED", "allow"));
  assert.equal(await until(5), "1 passed, 1 failed");
  stop.abort();
  const { code, stdout } = await running;
  assert.equal(code, 1);
  assert.match(stdout, /Cannot read role file role\.yaml/);
});
