// The compiled policy against a naive reading of the same roles.
import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "../support/harness.ts";
import { naiveAllows } from "./_naive.ts";
import { answer, compiled, facts, parsed, roles } from "./_random_roles.ts";

test("the compiled policy agrees with a naive reading of random roles", () => {
  let allowed = 0;
  let asked = 0;
  fc.assert(
    fc.property(roles, fc.record(facts), (all, { traits, labels, asks }) => {
      const policy = compiled(parsed(all), traits, labels);
      for (const ask of asks) {
        const expected = naiveAllows(all, traits, labels, ask);
        // Asked again and again: what is remembered is what was decided.
        for (let time = 0; time < 5; time++) {
          assert.equal(answer(policy, ask).effect, expected ? "allow" : "deny");
        }
        asked++;
        if (expected) allowed++;
      }
    }),
    { numRuns: 2000 },
  );
  // Random roles that deny everything would prove nothing.
  assert.ok(allowed > asked / 10, `${allowed} of ${asked} asks were allowed`);
});

test("many roles are decided by an index as few are by an automaton", () => {
  const tools = Array.from({ length: 300 }, (_, i) => ({ name: `unheard_of_${i}` }));
  const [filler] = parsed([{ name: "filler", allow: {}, deny: { tools }, mfa: false }]);
  assert.ok(filler);
  fc.assert(
    fc.property(roles, fc.record(facts), (all, { traits, labels, asks }) => {
      const few = compiled(parsed(all), traits, labels);
      const many = compiled([...parsed(all), filler], traits, labels);
      for (const ask of asks) assert.equal(answer(many, ask).effect, answer(few, ask).effect);
      assert.equal(many.decideTool("unheard_of_7").effect, "deny");
    }),
    { numRuns: 700 },
  );
});
