import assert from "node:assert/strict";
import { parseAppQuery } from "../../cli/commands/_app_query.ts";
import { lineDiff } from "../../cli/line_diff.ts";
import { test } from "../support/harness.ts";

const APP = {
  name: "db-main",
  description: "Orders and bills",
  labels: { env: "dev", teams: "a,b", "with space": "x" },
};

const queries: [string, boolean][] = [
  ['name == "db-main"', true],
  ['resource.metadata.name != "db-main"', false],
  ['labels["env"] == "dev"', true],
  ['labels.env == "prod" || hasPrefix(name, "db-")', true],
  ['labels.env == "dev" && !hasPrefix(name, "db-")', false],
  ['!(labels.env == "prod") && equals(labels["with space"], "x")', true],
  ["exists(labels.env)", true],
  ["exists(labels.none)", false],
  ["exists(labels.toString)", false],
  ['contains(split(labels["teams"], ","), "b")', true],
  ['contains(split(labels["teams"], ","), "c")', false],
  ['search("BILLS", "dev")', true],
  ['search("bills", "nothing")', false],
  ['name == "x" && name == "y" || name == "db-main"', true],
  ['name == "a\\"b"', false],
];

for (const [query, expected] of queries) {
  test(`the query ${query} is ${expected} of the app`, () => {
    assert.equal(parseAppQuery(query)(APP), expected);
  });
}

const wrong: [string, RegExp][] = [
  ["", /ends too early/],
  ["name", /a string is no condition/],
  ['name == "a" extra', /"extra" is too much/],
  ["name == labels", /"\[" is missing/],
  ['nope == "a"', /"nope" is not known/],
  ['nope("a")', /no function nope/],
  ["equals(name)", /takes two arguments/],
  ['contains(name, "a")', /takes a list/],
  ['name == split(name, "a")', /a list is no string/],
  ['name = "a"', /cannot read = "a"/],
  ['(name == "a"', /"\)" is missing/],
  [`${"!".repeat(200)}exists(name)`, /nested too deeply/],
];

for (const [query, message] of wrong) {
  test(`the query ${JSON.stringify(query.slice(0, 40))} is refused`, () => {
    assert.throws(() => parseAppQuery(query), { code: "BAD_REQUEST", message });
  });
}

const diffs: [string, string, string[]][] = [
  ["", "a\n", ["+ a"]],
  ["a\n", "", ["- a"]],
  ["a\nb\nc\n", "a\nB\nc\n", ["- b", "+ B"]],
  ["a\nb\nc\nd\n", "b\nx\nc\n", ["- a", "+ x", "- d"]],
  ["same\n", "same\n", []],
];

for (const [before, after, expected] of diffs) {
  test(`lineDiff() says what has changed from ${JSON.stringify(before)}`, () => {
    assert.deepEqual(lineDiff(before, after), expected);
  });
}
