// Expressions of a few words are compared, all others are walked: the answers must be the same.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Dfa } from "../../policy/pattern/_dfa.ts";
import { parseRegex } from "../../policy/pattern/_parse.ts";
import { compileSearch } from "../../policy/pattern/_program.ts";
import { wordsOf } from "../../policy/pattern/_words.ts";
import { test } from "../support/harness.ts";

function words(source: string): readonly string[] | undefined {
  return wordsOf(parseRegex(source).node)?.toSorted();
}

const cases: readonly [source: string, words: readonly string[] | undefined][] = [
  ["^(get|list)_issue$", ["get_issue", "list_issue"]],
  ["^get$", ["get"]],
  ["^$", [""]],
  ["^[ab]x$", ["ax", "bx"]],
  ["^(?i)k$", ["K", "k", "\u212a"]],
  ["^a|b$", undefined],
  ["^ab?$", undefined],
  ["^a.$", undefined],
  ["^[a-z][a-z]$", undefined],
  ["^(?m)a$", undefined],
  ["^\\ba$", undefined],
  ["^a$b$", undefined],
  ["^[\ud83d][\ude00]$", undefined],
];

for (const [source, expected] of cases) {
  test(`${JSON.stringify(source)} is ${expected ? expected.length + " words" : "no list of words"}`, () => {
    assert.deepEqual(words(source), expected);
  });
}

test("an expression of a few words matches them and nothing else", () => {
  const atoms = fc.constantFrom("a", "b", "[ab]", "(a|b)", "(?:ab|)", "(?i:a)", "\\n", "😀", "()");
  const expression = fc.array(atoms, { maxLength: 4 }).map((parts) => `^${parts.join("")}$`);
  const text = fc.array(fc.constantFrom("a", "b", "A", "\n", "😀", "\ud83d"), { maxLength: 6 });
  let listed = 0;
  fc.assert(
    fc.property(expression, fc.array(text, { minLength: 4, maxLength: 4 }), (source, samples) => {
      const { node } = parseRegex(source);
      const all = wordsOf(node);
      if (!all) return;
      listed++;
      const dfa = new Dfa(compileSearch([node]), 1 << 16);
      for (const sample of [...samples.map((parts) => parts.join("")), ...all]) {
        assert.equal(all.includes(sample), dfa.match(sample) === 0, `${source} on ${sample}`);
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(listed > 500, `${listed} were lists of words`);
});
