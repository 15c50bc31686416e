import assert from "node:assert/strict";
import {
  formatTestReport,
  runPolicyTests,
  testReportJson,
  testReportJunit,
} from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const ROLE = `kind: role
version: v8
metadata: {name: reader}
spec:
  allow:
    app_labels: {env: dev}
    mcp:
      tools:
      - read_*
      - list_<b>
  deny:
    mcp:
      tools: [read_secret]
`;

function run(text: string, role = ROLE) {
  return runPolicyTests([{ file: "t.yaml", text }], (file) => {
    if (file !== "role.yaml") throw new Error("no such file");
    return { file, text: role };
  });
}

const caseOf = (more: string) =>
  `roles: [role.yaml]\ncases:\n- {name: c, app: {name: a, labels: {env: dev}}, ${more}}\n`;

const verdicts = [
  { more: "tool: read_a, expect: allow", passed: true },
  { more: "tool: read_a, expect: deny", passed: false },
  { more: "tool: read_a, expect: error", passed: false },
  { more: "tool: read_secret, expect: deny, because: reader", passed: true },
  { more: "tool: read_secret, expect: deny, because: denied_by_rule", passed: true },
  { more: "tool: read_secret, expect: deny, because: no_match", passed: false },
  { more: "tool: other, expect: deny, because: no_match", passed: true },
  { more: "tool: other, expect: deny, because: reader", passed: false },
  { more: "expect: allow", passed: true },
  { more: "principal: {roles: [nobody]}, expect: error", passed: true },
  { more: "principal: {roles: []}, expect: deny", passed: true },
];

for (const { more, passed } of verdicts) {
  test(`runPolicyTests() ${passed ? "passes" : "fails"} { ${more} }`, () => {
    const report = run(caseOf(more));
    assert.deepEqual(report.problems, []);
    assert.deepEqual([report.passed, report.failed], passed ? [1, 0] : [0, 1]);
    assert.equal(report.cases[0]?.passed, passed);
  });
}

test("runPolicyTests() answers error for roles that do not compile", () => {
  const broken = ROLE.replace("app_labels", "app_lables");
  const report = run(caseOf("tool: read_a, expect: error"), broken);
  assert.equal(report.passed, 1);
  assert.match(report.cases[0]?.detail ?? "", /app_lables/);
});

test("coverage lists exactly the rules that never decided a case", () => {
  const report = run(caseOf("tool: read_a, expect: allow"));
  assert.equal(report.coverage.rules, 4);
  assert.deepEqual(report.coverage.untested.map(({ rule }) => rule), ["list_<b>", "read_secret"]);
  assert.match(formatTestReport(report), /^2 of 4 rules decided a case$/m);
});

const mistakes = [
  { more: "expect: perhaps", message: /allow, deny or error/ },
  { more: "tol: a, expect: deny", message: /tol/ },
  { more: "tool: a, prompt: b, expect: deny", message: /more than one thing/ },
];

for (const { more, message } of mistakes) {
  test(`runPolicyTests() reports { ${more} } as a mistake of the file, not as a case`, () => {
    const report = run(caseOf(more));
    assert.equal(report.cases.length, 0);
    assert.match(report.problems[0]?.message ?? "", message);
    assert.equal(report.problems[0]?.at.line, 3);
  });
}

test("runPolicyTests() reports a role file that cannot be read", () => {
  const report = run(caseOf("expect: error").replace("role.yaml", "nope.yaml"));
  assert.match(report.problems[0]?.message ?? "", /Cannot read role file nope\.yaml/);
});

test("testReportJson() has passed, failed and cases, and nothing else", () => {
  const json = JSON.parse(testReportJson(run(caseOf("tool: read_a, expect: deny"))));
  assert.deepEqual(Object.keys(json), ["passed", "failed", "cases"]);
  assert.deepEqual([json.passed, json.failed, json.cases.length], [0, 1, 1]);
});

test("testReportJunit() escapes what it quotes", () => {
  const xml = testReportJunit(run(caseOf("tool: list_<b>, expect: deny").replace("c,", "'<&',")));
  assert.match(xml, /tests="1" failures="1"/);
  assert.match(xml, /name="&lt;&amp;"/);
  assert.match(xml, /list_&lt;b&gt;/);
});

test("coverage tells roles of one name apart, whether in two files or written out in two cases", () => {
  const files = ["a", "b"].map((folder) => ({
    file: `${folder}/t.yaml`,
    text: caseOf(`tool: ${folder === "a" ? "read_a" : "list_<b>"}, expect: allow`),
  }));
  const { coverage } = runPolicyTests(files, (path, from) => ({
    file: `${from[0]}/${path}`,
    text: ROLE,
  }));
  const inFiles = coverage.untested.map(({ file, rule }) => `${file} ${rule}`);
  assert.deepEqual(inFiles, [
    "a/role.yaml list_<b>",
    "a/role.yaml read_secret",
    "b/role.yaml read_*",
    "b/role.yaml read_secret",
  ]);

  const inline = (tools: string) =>
    `  roles: [{kind: role, version: v8, metadata: {name: r}, spec: {allow: {app_labels: {env: dev}, ` +
    `mcp: {tools: [${tools}]}}}}]\n  app: {name: a, labels: {env: dev}}\n`;
  const text = `cases:\n- name: one\n${inline("x, y")}  tool: x\n  expect: allow\n- name: two\n${
    inline("z")
  }  tool: q\n  expect: deny\n`;
  const { untested } = run(text).coverage;
  assert.deepEqual(untested.map(({ rule }) => rule).filter((rule) => rule.length === 1), [
    "y",
    "z",
  ]);
});
