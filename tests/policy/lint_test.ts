import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import {
  type Finding,
  fixRoles,
  formatFindings,
  LINT_RULES,
  lintRoles,
  problemFinding,
} from "../../policy/lint/mod.ts";
import { parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const FILE = "role.yaml";
const CLUSTER = {
  apps: [{ name: "git", labels: { env: "dev" } }],
  tools: ["get_user", "get_repo", "search", "read_file", "delete_repo", "q"].map((name) => ({
    name,
    inputSchema: {
      type: "object",
      properties: { name: { type: "string" } },
      additionalProperties: false,
    },
  })),
  bots: [{ name: "robot", roles: ["example"] }],
};

/** What lint says of a text, as a command would put it together. */
function lint(text: string, options: Parameters<typeof lintRoles>[1] = {}): Finding[] {
  const { roles, problems, notices } = parseRoles(text, FILE);
  return [
    ...problems.map((problem) => problemFinding(problem)),
    ...notices.map((notice) => problemFinding(notice, "not-enforced")),
    ...lintRoles(roles, options),
  ];
}

function role(lists: { allow?: string[]; deny?: string[] }): string {
  const side = (name: string, rules: string[] = []) =>
    rules.length === 0 ? "" : `  ${name}:
    ${name === "allow" ? "app_labels: { env: dev }" : "namespaces: [default]"}
    mcp:
      tools:
${rules.map((rule) => `        - ${rule}\n`).join("")}`;
  const spec = side("allow", lists.allow) + side("deny", lists.deny);
  return `kind: role\nversion: v8\nmetadata: { name: example }\nspec:\n${spec}`;
}

function ids(text: string, options?: Parameters<typeof lintRoles>[1]): string[] {
  return lint(text, options).map((found) => found.rule);
}

test("every finding has a page, and every page a finding", () => {
  const pages = readdirSync("docs/lint").filter((name) => name !== "README.md");
  assert.deepEqual(
    pages.map((name) => name.replace(".md", "")).sort(),
    Object.keys(LINT_RULES).sort(),
  );
});

for (const id of Object.keys(LINT_RULES)) {
  test(`docs/lint/${id}.md shows what lint finds, and what it does not`, () => {
    const page = readFileSync(`docs/lint/${id}.md`, "utf8");
    const [avoid, prefer] = [...page.matchAll(/```yaml\n([^`]*)```/g)].map((match) => match[1]!);
    const options = /^(unknown-.*|mistyped-argument|unheld-role)$/.test(id) ? CLUSTER : {};
    assert.ok(ids(avoid!, options).includes(id), `found ${ids(avoid!, options)}`);
    assert.deepEqual(ids(prefer!, options), []);
  });
}

const cases: readonly [allow: string[], deny: string[], expected: string[]][] = [
  [["get_user", "get_repo"], ["delete_*"], []],
  [["get_*", "^get_[a-z]+$"], [], ["covered-rule"]],
  // The widest stays where one covers many; otherwise several can cover one together.
  [["^get_[a-m].*$", "^get_[^a-m\\n].*$", "get_?*", "get_", "get_*"], [], [
    "covered-rule",
    "covered-rule",
    "regex-in-glob",
    "covered-rule",
    "covered-rule",
  ]],
  [["^[ab]$", "^[bc]$", "^[ac]$"], [], ["covered-rule"]],
  [["a", "a"], [], ["covered-rule"]],
  [["{ name: a, where: 'arguments.x == 1' }", "a"], [], ["covered-rule"]],
  [["a", "{ name: 'a*', where: 'arguments.x == 1' }"], [], []],
  [["a"], ["{ name: a, where: 'arguments.x == 1' }"], []],
  [["{ name: a, where: 'arguments.x == 1' }"], ["a"], ["shadowed-allow"]],
  [["a*"], ["^a[a-m].*$", "^a[^a-m].*$", "a"], ["shadowed-allow"]],
  [["a*"], ["^a[a-m].*$", "^a[^a-m].*$"], []],
  [["^(?s).*$"], [], ["grants-everything"]],
  [["^.*$", "'*'"], [], ["covered-rule", "grants-everything", "grants-everything"]],
  [["'{{internal.mcp_tools}}'", "'{{external.x}}*'"], ["'*_{{external.x}}'"], []],
  [["^get_"], [], ["regex-in-glob"]],
  [["^get|set_$"], [], ["loose-alternation"]],
  [["^(?i)get|set_$"], [], ["loose-alternation"]],
  [["^a|a\\$"], [], []],
  [["^x*$"], [], ["glob-in-regex"]],
  [["^[a-z]*$"], [], []],
];

for (const [allow, deny, expected] of cases) {
  const title = `${allow.join(" ")}${deny.length > 0 ? ` but not ${deny.join(" ")}` : ""}`;
  test(`lintRoles() of ${title} finds ${expected.join(", ") || "nothing"}`, () => {
    assert.deepEqual(ids(role({ allow, deny })).sort(), [...expected].sort());
  });
}

test("a finding is at its rule, names the others, and shows a name", () => {
  const [found] = lint(role({ allow: ["read", "delete_*"], deny: ["d*"] }));
  assert.deepEqual(found, {
    rule: "shadowed-allow",
    severity: "warning",
    at: { file: FILE, line: 10, column: 11 },
    message: '"delete_*" allows nothing: all of it is denied by "d*"',
    hint: '"delete_", for example, is denied; deny wins whatever the order',
    witness: "delete_",
    related: [{ at: { file: FILE, line: 15, column: 11 }, message: "spec.deny.mcp.tools[0]: d*" }],
  });
});

test("an argument is unknown only where every matching tool closes its schema", () => {
  const text = role({ allow: ["{ name: q, where: 'arguments.a.b == \"x\"' }"] });
  const of = (inputSchema: unknown) => ids(text, { tools: [{ name: "q", inputSchema }] });
  const closed = { type: "object", additionalProperties: false };
  assert.deepEqual(of({ ...closed, properties: {} }), ["unknown-argument"]);
  assert.deepEqual(of({ ...closed, properties: { a: { ...closed, properties: {} } } }), [
    "unknown-argument",
  ]);
  for (
    const open of [
      undefined,
      {},
      { type: "object", properties: {} },
      { ...closed, properties: { a: {} } },
      { ...closed, properties: { a: { ...closed, properties: { b: {} } } } },
      { ...closed, $ref: "#/$defs/x" },
      { ...closed, patternProperties: { "^a": {} } },
      { ...closed, anyOf: [{ properties: { a: {} } }] },
    ]
  ) assert.deepEqual(of(open), [], JSON.stringify(open));
});

test("fixRoles() removes what adds nothing, and what is left lints clean", () => {
  const text = role({
    allow: ["get_user", "get_*", "'get_a*'", "other", "get_b # noted", "{ name: get_c }"],
    deny: ["x", "x"],
  });
  const fixes = fixRoles(lint(text), new Map([[FILE, text]]));
  assert.deepEqual(fixes.edits.map((edit) => edit.line), [9, 11, 20]);
  const mended = fixes.texts.get(FILE)!;
  assert.equal(
    mended,
    role({ allow: ["get_*", "other", "get_b # noted", "{ name: get_c }"], deny: ["x"] }),
  );
  assert.deepEqual(fixRoles(lint(mended), new Map([[FILE, mended]])).edits, []);
});

test("fixRoles() leaves alone what is not a line of its own", () => {
  for (
    const item of ["&a get_a", "|\n          get_a", "get_a\n          get_b", '"get\\u005fa"']
  ) {
    const text = role({ allow: ["get_*", item] });
    assert.deepEqual(fixRoles(lint(text), new Map([[FILE, text]])).edits, [], item);
  }
});

const text = role({ allow: ["get_*", '"get_user"   # why'] });
const sources = new Map([[FILE, text]]);

test("formatFindings() writes text with an excerpt", () => {
  assert.equal(
    formatFindings(lint(text), "text", sources),
    `role.yaml:10:11: warning: "get_user" adds nothing to "get_*" [covered-rule]
  10 |         - "get_user"   # why
     |           ^^^^^^^^^^
  role.yaml:9:11: spec.allow.mcp.tools[0]: get_*
  hint: remove it (--fix does where it stands on a line of its own)
`,
  );
  assert.equal(formatFindings([], "text", sources), "");
});

test("formatFindings() lets no control character through to a terminal", () => {
  const odd = role({ allow: ['"get_\\u001b[31m*"', '"^\\u001b$"'] });
  const shown = formatFindings(lint(odd), "text", new Map([[FILE, odd + "\u001b[2J"]]));
  assert.ok(!shown.includes("\u001b"));
});

test("formatFindings() writes GitHub's annotations, escaped", () => {
  const [found] = lint(text);
  const odd = {
    ...found!,
    at: { ...found!.at, file: "a,b:c%.yaml" },
    message: "100%\nsure",
    hint: "x",
  };
  assert.equal(
    formatFindings([odd], "github", sources),
    "::warning file=a%2Cb%3Ac%25.yaml,line=10,col=11,title=covered-rule::100%25%0Asure (x)\n",
  );
});

test("formatFindings() writes JSON and SARIF that hold all there is", () => {
  const findings = lint(text);
  assert.deepEqual(JSON.parse(formatFindings(findings, "json", sources)), { findings });
  const sarif = JSON.parse(formatFindings(findings, "sarif", sources));
  assert.equal(sarif.version, "2.1.0");
  const [run] = sarif.runs;
  const [result] = run.results;
  assert.equal(run.tool.driver.rules[result.ruleIndex].id, "covered-rule");
  assert.equal(result.level, "warning");
  assert.deepEqual(result.locations[0].physicalLocation, {
    artifactLocation: { uri: FILE },
    region: { startLine: 10, startColumn: 11 },
  });
  assert.equal(result.relatedLocations[0].physicalLocation.region.startLine, 9);
});
