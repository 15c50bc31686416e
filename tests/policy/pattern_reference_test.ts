// The engine against re2js, an independent implementation of the same dialect.
import assert from "node:assert/strict";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { compilePattern, compilePatternSet, regexpReplace } from "../../policy/pattern/mod.ts";
import { test } from "../support/harness.ts";

const ATOMS = [
  ..."aAbkKsS_- é1.^$λΣ😀ßſ\u212a".split(""),
  "😀",
  ...["\\d", "\\D", "\\w", "\\W", "\\s", "\\b", "\\B", "\\A", "\\z", "\\n", "\\.", "\\x61"],
  ...["[ab]", "[^ab]", "[^\\n]", "[a-k\\d]", "[[:alpha:]]", "[[:^digit:]]", "[-a]", "[\\]a]"],
  ...["\\pL", "\\p{Lu}", "\\P{Lu}", "\\p{Greek}", "\\x{1F600}", "\\101", "\\Qa.b\\E"],
  ...["(?i)", "(?s)", "(?m)", "(?U)", "(?-s)", "(?i:k)", "(?i:[^a-k])", ""],
].filter((atom) => atom === "" || atom.isWellFormed());
const COUNTS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{2,3}?", "{0}", "{,2}"];

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: "medium" },
    fc.constantFrom(...ATOMS),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => a + b),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a}|${b})`),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `${a}|${b}`),
    fc.tuple(tie("expression"), fc.constantFrom(...COUNTS)).map(([a, n]) => `(?:${a})${n}`),
    tie("expression").map((a) => `(${a})`),
    tie("expression").map((a) => `(?ims:${a})`),
  ),
}));

const text = fc.array(
  fc.constantFrom(..."abcAkKsS_- 1.]\nλΛςßẞſıİ\u212a", "😀", "\ud83d", "\ude00"),
  { maxLength: 8 },
).map((chars) => chars.join(""));
const texts = fc.array(text, { minLength: 3, maxLength: 6 });

test("patterns agree with re2js on random expressions and texts", () => {
  fc.assert(
    fc.property(expression, texts, (inner, samples) => {
      const source = `^${inner}$`;
      const reference = compileReference(source);
      const ours = compilePattern(source);
      assert.equal(ours.ok, reference !== undefined, `${source} compiles`);
      if (!ours.ok || !reference) return;
      for (const sample of samples) {
        const expected = reference.matcher(sample).find();
        assert.equal(ours.pattern.test(sample), expected, `${source} on ${JSON.stringify(sample)}`);
      }
    }),
    { numRuns: 3000 },
  );
});

test("globs agree with re2js on their quoted form", () => {
  const glob = fc.array(fc.constantFrom("*", "a", "b", ".", "\n", "😀", "\ud83d"), { maxLength: 7 })
    .map((parts) => parts.join(""));
  const sample = fc.array(fc.constantFrom("a", "b", ".", "\n", "😀", "\ud83d"), { maxLength: 8 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(glob, fc.array(sample, { minLength: 4, maxLength: 8 }), (source, samples) => {
      const ours = compilePattern(source);
      assert.ok(ours.ok);
      const quoted = source.split("*").map((piece) => RE2JS.quote(piece)).join("(.*)");
      const reference = RE2JS.compile(`^${quoted}$`);
      for (const s of samples) {
        assert.equal(
          ours.pattern.test(s),
          reference.matcher(s).find(),
          JSON.stringify([source, s]),
        );
      }
    }),
    { numRuns: 1500 },
  );
});

test("a set answers with the lowest pattern that matches by itself", () => {
  const piece = fc.constantFrom("*", "a", "b", "ab", "_", "get", "\n");
  const glob = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
  const source = fc.oneof(glob, glob, expression.map((inner) => `^${inner}$`));
  const sample = fc.oneof(text, fc.array(piece, { maxLength: 5 }).map((all) => all.join("")));
  const size = fc.constantFrom(3, 8, 40, 400);
  const many = size.chain((count) => fc.array(source, { minLength: count >> 1, maxLength: count }));
  fc.assert(
    fc.property(many, fc.array(sample, { minLength: 8, maxLength: 8 }), (sources, samples) => {
      const patterns = sources.map(compilePattern).flatMap((result) =>
        result.ok ? [result.pattern] : []
      );
      const set = compilePatternSet(patterns);
      for (const s of samples) {
        assert.equal(set.firstMatch(s), patterns.findIndex((p) => p.test(s)), JSON.stringify(s));
      }
    }),
    { numRuns: 150 },
  );
});

test("replacing finds the matches and groups that re2js finds", () => {
  fc.assert(
    fc.property(expression, texts, (source, samples) => {
      const reference = compileReference(source);
      const ours = regexpReplace(source, "<$0|$1|$2>");
      if (!ours.ok || !reference) return;
      for (const sample of samples) {
        const message = `${source} on ${JSON.stringify(sample)}`;
        assert.equal(ours.replace(sample), replaceByReference(reference, sample), message);
      }
    }),
    { numRuns: 2000 },
  );
});

/** Go's loop over the reference's matches. */
function replaceByReference(reference: RE2JS, sample: string): string | undefined {
  const matcher = reference.matcher(sample);
  let out: string | undefined;
  let copied = 0;
  for (let from = 0; from <= sample.length && matcher.find(from);) {
    const [start, end] = [matcher.start(), matcher.end()];
    out = (out ?? "") + sample.slice(copied, start);
    if (end > copied || start === 0) {
      const groups = [0, 1, 2].map((n) => n <= matcher.groupCount() ? matcher.group(n) ?? "" : "");
      out += `<${groups.join("|")}>`;
    }
    copied = end;
    from = end > from ? end : from + ((sample.codePointAt(from) ?? 0) > 0xffff ? 2 : 1);
  }
  return out === undefined ? undefined : out + sample.slice(copied);
}

function compileReference(source: string): RE2JS | undefined {
  try {
    return RE2JS.compile(source);
  } catch {
    return undefined;
  }
}
