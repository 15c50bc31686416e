import assert from "node:assert/strict";
import { compilePattern } from "../../policy/pattern/mod.ts";
import type { Pattern } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

function pattern(source: string): Pattern {
  const result = compilePattern(source);
  if (!result.ok) assert.fail(`${source}: ${result.message} at ${result.offset}`);
  return result.pattern;
}

const kinds = [
  ["", "literal"],
  ["get_user", "literal"],
  ["^get", "literal"],
  ["get$", "literal"],
  ["^", "literal"],
  ["a|b", "literal"],
  ["read_*", "prefix"],
  ["read_**", "prefix"],
  ["**", "prefix"],
  ["*_user", "suffix"],
  ["*user*", "infix"],
  ["a*b", "glob"],
  ["*a*b", "glob"],
  ["*", "any"],
  ["^$", "regex"],
  ["^a\\$", "regex"],
] as const;

for (const [source, kind] of kinds) {
  test(`compilePattern("${source}") makes a ${kind}`, () => {
    assert.equal(pattern(source).kind, kind);
    assert.equal(pattern(source).source, source);
  });
}

const verdicts: readonly [source: string, matches: readonly string[], misses: readonly string[]][] =
  [
    ["", [""], [" ", "a"]],
    ["get_user", ["get_user"], ["Get_user", "get_users", "aget_user", "get_user\n"]],
    ["a.c", ["a.c"], ["abc"]],
    ["a?", ["a?"], ["a", ""]],
    ["^get", ["^get"], ["get", "get_user"]],
    ["get$", ["get$"], ["get"]],
    ["a{3,7}", ["a{3,7}"], ["aaaa"]],
    ["read_*", ["read_", "read_file", "read_*"], ["read", "xread_file", "read_a\nb"]],
    ["*_all", ["_all", "get_all"], ["get_all_", "a\n_all"]],
    ["*mid*", ["mid", "amidb"], ["mi", "a\nmid"]],
    ["a*b*c", ["abc", "axbxc", "abbc", "abcbc"], ["acb", "ab", "abcd", "a\nbc"]],
    ["aa*aa", ["aaaa", "aaaaa"], ["aaa"]],
    ["*a*", ["a"], ["", "b"]],
    ["a\nb*", ["a\nb", "a\nbc"], ["a\nb\n"]],
    ["*", ["", "x", "😀", "x\r"], ["\n", "a\nb"]],
    // An expression is searched for as it stands: an alternation at the top is not grouped.
    ["^test|staging$", ["test", "testing", "my-staging"], ["atest", "stagings"]],
    ["^(test|staging)$", ["test", "staging"], ["testing", "my-staging"]],
    ["^(.*)$", ["", "anything"], ["a\nb"]],
    ["^(?s).*$", ["", "a\nb"], []],
    ["^.*|x$", ["", "a\nb"], []],
    ["^a\\$", ["a$", "a$b"], ["a"]],
    ["^a$", ["a"], ["a\n", "A"]],
    ["^(?m)b$", ["b", "b\nc"], ["a\nb"]],
    ["^x|(?m)^b$", ["x", "b", "a\nb\nc"], ["ab"]],
    ["^(?i)k$", ["k", "K", "\u212a"], ["c"]],
    ["^(?i:STRASSE)$", ["strasse", "\u017ftraSSe"], ["straße"]],
    ["^(?i)[^k]$", ["a"], ["k", "K", "\u212a"]],
    ["^(?i)σ$", ["Σ", "σ", "ς"], ["s"]],
    ["^(?i)ı$", ["ı"], ["i", "I"]],
    ["^\\w+$", ["get_1"], ["gét", "\u212a", ""]],
    ["^\\s$", ["\f", "\t"], ["\v", "\u00a0"]],
    ["^[[:alpha:][:^ascii:]]$", ["a", "é"], ["1"]],
    ["^[^\\n]\\S$", ["ab", "\ta"], ["\na", "a "]],
    ["^[]a]$", ["]", "a"], ["b"]],
    ["^[a-]$", ["a", "-"], ["b"]],
    ["^\\pL\\p{Greek}\\P{^Nd}$", ["aλ1"], ["1λ1", "aa1", "aλa"]],
    ["^\\x41\\x{1F600}\\101$", ["A😀A"], ["A😀a"]],
    ["^\\Qa.*\\E+$", ["a.*", "a.**"], ["abc"]],
    ["^a{,2}$", ["a{,2}"], ["a", ""]],
    ["^a{01}$", ["a{01}"], ["a"]],
    ["^(a{2,3}){2}$", ["aaaa", "aaaaaa"], ["aaa", "aaaaaaa"]],
    ["^\\bfoo\\b.*\\Bx$", ["foo ax"], ["foo x", "foox"]],
    ["^.$", ["😀", "a"], ["\n", "ab"]],
    ["^(?P<n>a)(?<m>b)$", ["ab"], []],
    ["^(?U)a+?$", ["a", "aa"], []],
    ["^()*$", [""], ["a"]],
    ["^(a*)*b$", ["b", "aab"], ["a"]],
  ];

for (const [source, matches, misses] of verdicts) {
  test(`pattern ${JSON.stringify(source)} gives the verdicts of the original`, () => {
    const { test: matchesText } = pattern(source);
    for (const text of matches) assert.equal(matchesText(text), true, JSON.stringify(text));
    for (const text of misses) assert.equal(matchesText(text), false, JSON.stringify(text));
  });
}

const problems: readonly [source: string, offset: number, message: RegExp][] = [
  ["^(?=a)b$", 1, /look-around/],
  ["^(?!a)b$", 1, /look-around/],
  ["^(?<=a)b$", 1, /look-around/],
  ["^(?<!a)b$", 1, /look-around/],
  ["^(a)\\1$", 4, /backreferences/],
  ["^\\C$", 1, /unknown escape \\C/],
  ["^\\Z$", 1, /unknown escape/],
  ["^(a$", 1, /missing closing \)/],
  ["^a)$", 2, /unexpected \)/],
  ["^[a$", 1, /missing closing \]/],
  ["^[b-a]$", 2, /wrong order/],
  ["^[[:word_:]]$", 2, /unknown class/],
  ["^\\p{Klingon}$", 1, /Unicode class/],
  ["^\\x{110000}$", 1, /no such code point/],
  ["^\\x{}$", 1, /malformed/],
  ["^a{1001}$", 2, /over 1000/],
  ["^a{3,2}$", 2, /wrong order/],
  ["^(a{100}){100}$", 9, /nest to more than 1000/],
  ["^a**$", 3, /nested repetition/],
  ["^(*a)$", 2, /missing argument/],
  ["^a|*$", 3, /missing argument/],
  ["^(?z)$", 3, /unknown group syntax/],
  ["^(?P<a-b>x)$", 1, /invalid name/],
  ["^(?i$", 1, /unknown group syntax|missing closing/],
];

for (const [source, offset, message] of problems) {
  test(`compilePattern("${source}") says what is wrong, and where`, () => {
    const result = compilePattern(source);
    if (result.ok) assert.fail("it compiled");
    assert.match(result.message, message);
    if (source !== "^(?i$") assert.equal(result.offset, offset);
  });
}

test("compilePattern() refuses expressions that would be too large, deep or long", () => {
  for (
    const source of [
      "^" + "[ab]{1000}".repeat(6) + "$",
      "^" + "(".repeat(600) + ")".repeat(600) + "$",
      `^${"a".repeat(40_000)}$`,
    ]
  ) {
    const result = compilePattern(source);
    if (result.ok) assert.fail("it compiled");
    assert.match(result.message, /too large|nest deeper|longer than/);
  }
});

test("patterns match lone surrogates as characters of their own, and never half of another", () => {
  assert.equal(pattern("^.$").test("\ud83d"), true);
  assert.equal(pattern("^..$").test("\ud83d\ude00"), false);
  assert.equal(pattern("^..$").test("\ude00\ud83d"), true);
  assert.equal(pattern("*\ud83d*").test("😀"), false);
  assert.equal(pattern("*\ud83d*").test("a\ud83db"), true);
  assert.equal(pattern("*\ud83d").test("a\ud83d"), true);
  assert.equal(pattern("\ud83d").test("\ud83d"), true);
});
