import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { formatProblem } from "../../policy/mod.ts";
import { runPolicyTests } from "../../policy/run_tests.ts";
import { parseTestFile } from "../../policy/test_file.ts";
import { test } from "../support/harness.ts";

// What roles mean, as data: each file is one that `policy test` runs as well.
const folder = new URL("../vectors/policy/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml")).sort()
  .map((file) => ({ file, text: readFileSync(new URL(file, folder), "utf8") }));

function noFiles(path: string): never {
  throw new Error(`vectors bring their roles with them, not ${path}`);
}

for (const { file, text } of files) {
  const { cases, problems } = runPolicyTests([{ file, text }], noFiles);
  const parsed = parseTestFile(text, file, noFiles);

  test(`${file} is a test file without mistakes`, () => {
    assert.deepEqual(problems.map(formatProblem), []);
    assert.ok(cases.length > 0);
  });

  test(`${file} names the source of every promise`, () => {
    const unsourced = parsed.cases.filter(({ source }) => source === undefined);
    assert.deepEqual(unsourced.map(({ name }) => name), []);
  });

  for (const result of cases) {
    test(`${file}: ${result.name}`, () => {
      const { actual, detail } = result;
      assert.ok(result.passed, `line ${result.at.line}: got ${actual}: ${detail}`);
    });
  }
}

test("a vector with an unknown key fails loudly", () => {
  const text = "cases: [{name: x, app: {name: a}, expect: deny, becuase: y}]";
  const { problems, cases } = runPolicyTests([{ file: "x.yaml", text }], noFiles);
  assert.deepEqual(problems.map(formatProblem), [
    "x.yaml:1:49: cases[0].becuase is not a known field (did you mean because?)",
  ]);
  assert.equal(cases.length, 0);
});
