// docs/policy.md is read with the parsers that it describes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { FUNCTIONS } from "../../policy/_functions.ts";
import { formatProblem, parseRoles, parseWorld, runPolicyTests } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const page = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");

/** The YAML examples below a heading. */
function examples(heading: string): string[] {
  const [, section] = page.split(`\n# ${heading}\n`);
  const [, part] = section === undefined ? page.split(`\n## ${heading}\n`) : ["", section];
  const below = (part ?? "").split("\n## ")[0] ?? "";
  return below.split("```yaml\n").slice(1).map((block) => block.split("```")[0] ?? "");
}

const [guide] = page.split("```yaml\n").slice(1).map((block) => block.split("```")[0] ?? "");

function problemsOf(spec: string): string[] {
  const lines = spec.split("\n").map((line) => `    ${line}`).join("\n");
  const text = `kind: role\nversion: v8\nmetadata: {name: r}\nspec:\n  allow:\n${lines}\n`;
  return parseRoles(text, "docs/policy.md").problems.map(formatProblem);
}

test("docs/policy.md: its first role is a role", () => {
  assert.deepEqual(parseRoles(guide ?? "", "docs/policy.md").problems, []);
});

for (
  const heading of ["Label expressions", "Resources and prompts", "Conditions on arguments"]
) {
  test(`docs/policy.md: the example of "${heading}" is part of a role`, () => {
    const found = examples(heading);
    assert.equal(found.length, 1);
    for (const example of found) assert.deepEqual(problemsOf(example), []);
  });
}

test("docs/policy.md: the templates that it shows are templates", () => {
  const shown = page.split("\n## Templates\n")[1]?.split("\n## ")[0] ?? "";
  const templates = shown.split("`").filter((text) => text.startsWith("{{"));
  assert.ok(templates.length >= 5);
  for (const template of templates) {
    const tool = JSON.stringify(template.replaceAll("\n", " "));
    assert.deepEqual(problemsOf(`mcp: {tools: [${tool}]}`), [], template);
  }
});

test("docs/policy.md: the test file that it shows runs and passes", () => {
  const [text] = examples("Tests for roles");
  const report = runPolicyTests(
    [{ file: "docs/policy.md", text: text ?? "" }],
    (file) => ({ file, text: guide ?? "" }),
  );
  assert.deepEqual(report.problems.map(formatProblem), []);
  assert.deepEqual([report.passed, report.failed], [1, 0]);
});

test("docs/policy.md: the file of bots and apps that it shows is one", () => {
  const [text] = examples("Comparing roles");
  const { world, problems } = parseWorld(text ?? "", "docs/policy.md");
  assert.deepEqual(problems, []);
  assert.deepEqual([world.subjects?.length, world.apps?.length], [1, 1]);
});

test("docs/policy.md names every function of expressions", () => {
  for (const name of Object.keys(FUNCTIONS)) {
    const shown = name === "strings.lower" ? "lower" : name;
    assert.ok(page.includes(`${shown}(`), name);
  }
});
