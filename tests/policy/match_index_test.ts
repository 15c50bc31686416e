import assert from "node:assert/strict";
import fc from "fast-check";
import { fixedEnds } from "../../policy/_fixed_ends.ts";
import { MatchIndex } from "../../policy/match_index.ts";
import { compilePattern, type Pattern } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

const pieces = fc.constantFrom(
  ..."abcx_-0.*".split(""),
  ...["ab", "read", "(", ")", "(?i)", "[", "]", "[^a]", "[]a]", "[[:alpha:](]", "|", "(a|b)"],
  ...[
    "\\",
    "\\.",
    "\\d",
    "\\x61",
    "\\Q",
    "\\E",
    "\\b",
    "+",
    "?",
    "{0}",
    "{2}",
    "^",
    "$",
    "\n",
    "é",
  ],
);
const source = fc.tuple(fc.boolean(), fc.array(pieces, { maxLength: 6 })).map(([regex, parts]) =>
  regex ? `^${parts.join("")}$` : parts.join("")
);
const pattern: fc.Arbitrary<Pattern> = source
  .map((text) => compilePattern(text))
  .filter((result) => result.ok)
  .map((result) => result.pattern);
const name = fc.array(
  fc.constantFrom(..."abcx_-0.61A\n)é".split(""), "read", "a", "ab"),
  { maxLength: 5 },
).map((parts) => parts.join(""));

test("an index finds exactly the patterns that match by themselves", () => {
  let matched = 0;
  fc.assert(
    fc.property(
      fc.array(pattern, { maxLength: 20 }),
      fc.array(name, { minLength: 1, maxLength: 8 }),
      (patterns, names) => {
        const index = new MatchIndex(patterns);
        for (const text of names) {
          const expected = patterns.flatMap((p, i) => p.test(text) ? [i] : []);
          assert.deepEqual(index.matches(text), expected);
          matched += expected.length;
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(matched > 1000, `${matched} matches`);
});

test("fixed ends never leave out a text that matches", () => {
  fc.assert(
    fc.property(pattern, fc.array(name, { minLength: 4, maxLength: 12 }), (pattern, names) => {
      const { start, end } = fixedEnds(pattern);
      for (const text of [...names, start, end, start + end]) {
        if (!pattern.test(text)) continue;
        assert.ok(text.startsWith(start) && text.endsWith(end), `${pattern.source} on ${text}`);
      }
    }),
    { numRuns: 5000 },
  );
});

test("fixed ends are what a pattern shows of them", () => {
  const cases: readonly [source: string, start: string, end: string][] = [
    ["read_*", "read_", ""],
    ["*_file", "", "_file"],
    ["a*b*c", "a", "c"],
    ["echo", "echo", "echo"],
    ["^get_(a|b)_x$", "get_", "_x"],
    ["^ab*$", "a", ""],
    ["^a{0}b$", "", ""],
    ["^test|staging$", "", ""],
    ["^(?i)read$", "", ""],
    ["^a\\x61$", "a", ""],
    ["^a\\.b$", "a", ""],
    ["^a[[:alpha:](]|b$", "", ""],
    ["^a[^]|]b$", "a", "b"],
  ];
  for (const [source, start, end] of cases) {
    const compiled = compilePattern(source);
    assert.ok(compiled.ok, source);
    assert.deepEqual(fixedEnds(compiled.pattern), { start, end }, source);
  }
});
