import assert from "node:assert/strict";
import { regexpReplace } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

function replace(source: string, replacement: string, text: string): string | undefined {
  const result = regexpReplace(source, replacement);
  if (!result.ok) assert.fail(result.message);
  return result.replace(text);
}

/** What Go's ReplaceAllString answers; undefined where MatchString says no. */
const cases: readonly [source: string, replacement: string, text: string, want?: string][] = [
  ["^(.+)@example\\.com$", "$1", "ann@example.com", "ann"],
  ["^(.+)@example\\.com$", "$1", "ann@example.org"],
  ["(\\w+)-(\\w+)", "${2}_$1", "dev-db", "db_dev"],
  // Go reads $1_x as the group named 1_x, which is not there.
  ["(\\w+)-(\\w+)", "$1_x", "dev-db", ""],
  ["(\\w+)-(\\w+)", "$1-x", "dev-db", "dev-x"],
  ["(?P<first>\\w+)-(\\w+)", "${first}.$first", "dev-db", "dev.dev"],
  ["(?P<n>a)|(?P<n>b)", "<$n>", "ab", "<a><b>"],
  ["a", "$$1$", "a", "$1$"],
  ["a", "${", "a", "${"],
  ["a", "${1", "a", "${1"],
  ["a", "$", "a", "$"],
  ["a", "$ $-", "a", "$ $-"],
  ["(a)", "${01}$9", "a", ""],
  ["a*", "x", "baac", "xbxcx"],
  ["a*", "x", "", "x"],
  ["", "-", "a😀b", "-a-😀-b-"],
  ["(?m)^", "> ", "a\nb", "> a\n> b"],
  ["$", "!", "a", "a!"],
  ["a|ab", "x", "ab", "xb"],
  ["a+?", "x", "aaa", "xxx"],
  ["(a*)*", "<$1>", "aab", "<aa>b<>"],
  ["(a*)+", "<$1>", "aab", "<aa>b<>"],
  ["(a|b)*?c", "<$1>", "abc", "<b>"],
  ["x(.*y)?", "<$1>", "xxx", "<><><>"],
  ["\\bfoo\\b", "bar", "foo food foo", "bar food bar"],
];

for (const [source, replacement, text, want] of cases) {
  test(`regexpReplace(${JSON.stringify([source, replacement])}) replaces as Go does`, () => {
    assert.equal(replace(source, replacement, text), want);
  });
}

test("regexpReplace() reads no glob", () => {
  assert.equal(replace("a*b", "x", "aab a-b"), "x a-x");
});

test("regexpReplace() says what is wrong, and where", () => {
  const result = regexpReplace("(a", "x");
  assert.deepEqual(result, { ok: false, message: "missing closing )", offset: 0 });
});

test("regexpReplace() finds the same matches in texts of several blocks of notes", () => {
  // Some 4000 instructions, so that a block holds about a thousand places.
  const unit = "b".repeat(700) + "c";
  assert.equal(replace("b{700}c|(?:a|b){0,600}d", "-", unit.repeat(9)), "-".repeat(9));
  assert.equal(replace("(?:b{0,900}){0,1}c", "-", unit.repeat(9) + "bb"), "-".repeat(9) + "bb");
  const start = "a" + "b".repeat(5000);
  assert.equal(
    replace("(?s)a(?:b{1,900})*(?:x|)", "<$0>", start + "x" + start),
    `<${start}x><${start}>`,
  );
});

test("regexpReplace() replaces where a search for each match would be quadratic", () => {
  const text = "x".repeat(300_000);
  assert.equal(replace("x(.*y)?", "z", text), "z".repeat(300_000));
});
