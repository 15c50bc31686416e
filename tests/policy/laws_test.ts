// What holds for all roles, whatever they say.
import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "../support/harness.ts";
import { answer, compiled, facts, parsed, roles } from "./_random_roles.ts";

test("what a deny rule denies, no further role allows", () => {
  fc.assert(
    fc.property(roles, roles, fc.record(facts), (some, more, { traits, labels, asks }) => {
      const renamed = more.map((role) => ({ ...role, name: `more-${role.name}` }));
      const before = compiled(parsed(some), traits, labels);
      const after = compiled(parsed([...some, ...renamed]), traits, labels);
      for (const ask of asks) {
        const decision = answer(before, ask);
        if (decision.effect === "deny" && decision.because === "denied_by_rule") {
          assert.equal(answer(after, ask).effect, "deny");
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("the order of roles does not matter, not even for the rule that is named", () => {
  fc.assert(
    fc.property(roles, fc.record(facts), fc.nat(), (all, { traits, labels, asks }, turn) => {
      const there = parsed(all);
      const cut = all.length === 0 ? 0 : turn % all.length;
      const back = [...there.slice(cut), ...there.slice(0, cut)].reverse();
      const [first, second] = [compiled(there, traits, labels), compiled(back, traits, labels)];
      for (const ask of asks) assert.deepEqual(answer(first, ask), answer(second, ask));
      assert.equal(first.toolsUnrestricted, second.toolsUnrestricted);
    }),
    { numRuns: 500 },
  );
});

test("a tool that lists hide is denied whatever its arguments, and one they show is not by rule", () => {
  fc.assert(
    fc.property(roles, fc.record(facts), (all, { traits, labels, asks }) => {
      const policy = compiled(parsed(all), traits, labels);
      for (const { name, args, definition } of asks) {
        const listed = policy.listTool(name, definition);
        const called = policy.decideTool(name, { arguments: () => args, definition });
        if (listed.effect === "deny") assert.equal(called.effect, "deny");
        // Without conditions a list and a call are one and the same question.
        if (!policy.usesArguments) assert.deepEqual(listed, called);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a policy that calls itself unrestricted allows every call", () => {
  let unrestricted = 0;
  fc.assert(
    fc.property(roles, fc.record(facts), fc.string(), (all, { traits, labels, asks }, text) => {
      const policy = compiled(parsed(all), traits, labels);
      if (!policy.toolsUnrestricted) return;
      unrestricted++;
      for (const name of [...asks.map((ask) => ask.name), text]) {
        if (!name.includes("\n")) assert.equal(policy.decideTool(name).effect, "allow");
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(unrestricted > 5, `${unrestricted} policies were unrestricted`);
});

test("a list of roles that its owner changes is compiled anew", () => {
  const [open, shut] = parsed([
    {
      name: "open",
      allow: { app_labels: { "*": ["*"] }, tools: [{ name: "*" }] },
      deny: {},
      mfa: false,
    },
    { name: "shut", allow: {}, deny: { tools: [{ name: "echo" }] }, mfa: false },
  ]);
  assert.ok(open && shut);
  const list = [open];
  assert.equal(compiled(list, {}, {}).decideTool("echo").effect, "allow");
  list.push(shut);
  assert.equal(compiled(list, {}, {}).decideTool("echo").effect, "deny");
});

test("a deny expression that cannot be judged closes the app, whatever else is granted", () => {
  const [failing] = parsed([{
    name: "failing",
    allow: {},
    deny: {
      expression: {
        text: 'contains(email.local(user.spec.traits["address"]), "x")',
        holds: () => true,
      },
    },
    mfa: false,
  }]);
  assert.ok(failing);
  fc.assert(
    fc.property(roles, fc.record(facts), (all, { traits, labels }) => {
      const there = parsed(all);
      const odd = { ...traits, address: ["no address"] };
      assert.throws(
        () => compiled([...there, failing], odd, labels),
        { name: "PolicyError", code: "POLICY_INVALID" },
      );
      // With traits that can be judged the same roles compile.
      compiled([...there, failing], { ...traits, address: ["a@example.com"] }, labels);
    }),
    { numRuns: 200 },
  );
});
