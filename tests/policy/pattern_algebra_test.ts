import assert from "node:assert/strict";
import fc from "fast-check";
import { compilePattern, uncovered, witness } from "../../policy/pattern/mod.ts";
import type { Pattern, Question } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

function pattern(source: string): Pattern {
  const result = compilePattern(source);
  if (!result.ok) assert.fail(`${source}: ${result.message}`);
  return result.pattern;
}

const answers: readonly [allOf: string[], noneOf: string[], answer: string | undefined][] = [
  [["get_*", "*_user"], [], "get_user"],
  [["get_*", "set_*"], [], undefined],
  [["get_*"], ["*"], undefined],
  [["*"], ["get_*", "set_*"], ""],
  [["^.+$"], ["^a.*$"], "b"],
  [["get_*"], ["get_a*", "^get_[^a].*$", "get_"], undefined],
  [["get_*"], ["get_a*", "^get_[^a].*$"], "get_"],
  // Only `.` with (?s) crosses a newline, so an asterisk does not cover it.
  [["^(?s)a.*$"], ["a*"], "a\n"],
  [["^$x$"], [], undefined],
  [["^a\\bb$"], [], undefined],
  [["^(?i)[^\\x00-\\x{10FFFF}]$"], [], undefined],
  [["^\\x{D800}$"], [], undefined],
  [["^[\\x00-\\x1f]$"], [], "\0"],
  [["^[\\x00-\\x1f]|é$"], ["^[^é]*$"], "é"],
  [["^(a|b)*abb$"], [], "abb"],
  [["^(?i)read$"], ["read", "READ"], "reaD"],
  [["*a*"], ["*b*", "a", "^a.$"], "ca"],
  [["^test|staging$"], ["test*"], "staging"],
];

for (const [allOf, noneOf, answer] of answers) {
  const title = `${JSON.stringify(allOf)} without ${JSON.stringify(noneOf)}`;
  test(`witness() of ${title} is ${answer === undefined ? "empty" : JSON.stringify(answer)}`, () => {
    const found = witness({ allOf: allOf.map(pattern), noneOf: noneOf.map(pattern) });
    assert.deepEqual(
      found,
      answer === undefined ? { kind: "empty" } : { kind: "witness", text: answer },
    );
  });
}

test("witness() needs one of anyOf", () => {
  const anyOf = [pattern("get_*"), pattern("set_*")];
  const text = (question: Question) => witness(question);
  assert.deepEqual(text({ anyOf }), { kind: "witness", text: "get_" });
  assert.deepEqual(text({ anyOf, noneOf: [pattern("get_*")] }), { kind: "witness", text: "set_" });
  assert.deepEqual(text({ anyOf, allOf: [pattern("*b")] }), { kind: "witness", text: "get_b" });
  assert.deepEqual(text({ anyOf, noneOf: [pattern("^[gs]et_.*$")] }), { kind: "empty" });
  assert.deepEqual(text({}), { kind: "witness", text: "" });
});

test("witness() says unknown where the limit is reached, and not before", () => {
  assert.deepEqual(uncovered(pattern("^.*a.{30}$"), [pattern("^.*[ab].{30}$")]), {
    kind: "unknown",
  });
  assert.deepEqual(uncovered(pattern("^.*a.{7}$"), [pattern("^.*[ab].{7}$")]), { kind: "empty" });
});

const ALPHABET = ["a", "b", "_", "\n"];
const TEXTS = [""];
for (let i = 0; TEXTS[i]!.length < 5; i++) {
  TEXTS.push(...ALPHABET.map((letter) => TEXTS[i]! + letter));
}

const atom = fc.constantFrom("a", "b", "_", ".", "[ab]", "[^a]", "\\w", "\\b", "$", "^", "\\n");
const regex = fc.letrec<{ re: string }>((tie) => ({
  re: fc.oneof(
    { depthSize: "small" },
    atom,
    fc.tuple(tie("re"), tie("re")).map(([a, b]) => a + b),
    fc.tuple(tie("re"), tie("re")).map(([a, b]) => `(?:${a}|${b})`),
    fc.tuple(tie("re"), fc.constantFrom("*", "+", "?", "{2}")).map(([a, n]) => `(?:${a})${n}`),
    tie("re").map((a) => `(?m:${a})`),
  ),
})).re.map((inner) => `^${inner}$`);
const glob = fc.array(fc.constantFrom("*", "*", "a", "b", "_"), { maxLength: 5 })
  .map((parts) => parts.join(""));
const some = fc.array(fc.oneof(glob, regex).map(pattern), { maxLength: 3 });

test("witness() agrees with trying every short text", () => {
  const seen = { witness: 0, empty: 0, unknown: 0 };
  fc.assert(
    fc.property(some, some, some, (allOf, anyOf, noneOf) => {
      const fits = (text: string) =>
        allOf.every((p) => p.test(text)) && !noneOf.some((p) => p.test(text)) &&
        (anyOf.length === 0 || anyOf.some((p) => p.test(text)));
      const found = witness({ allOf, anyOf, noneOf });
      seen[found.kind]++;
      const shortest = TEXTS.find(fits);
      if (found.kind === "witness") {
        assert.ok(fits(found.text), `${JSON.stringify(found.text)} does not fit`);
        if (shortest !== undefined && !shortest.includes("\n")) {
          assert.ok(found.text.length <= shortest.length, `${JSON.stringify(shortest)} is shorter`);
          assert.ok(!found.text.includes("\n"));
        }
      } else assert.equal(shortest, undefined);
    }),
    { numRuns: 1500 },
  );
  assert.ok(seen.witness > 100 && seen.empty > 100, JSON.stringify(seen));
});
