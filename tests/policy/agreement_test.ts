// The compiled policy against a naive reading of the same roles, and the laws that hold for all.
import assert from "node:assert/strict";
import fc from "fast-check";
import { compilePolicy, parseRoles } from "../../policy/mod.ts";
import type { AppPolicy, Decision, Role } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";
import {
  type Labels,
  naiveAllows,
  type NaiveAsk,
  type NaiveRole,
  type NaiveSide,
  type NaiveTool,
  roleDocument,
  type Traits,
} from "./_naive.ts";

const NAMES = ["read_a", "read_b", "write_a", "echo", "", "é😀", "a\nb", "*", "constructor"];
const PATTERNS = [
  ...["read_a", "echo", "read_*", "*_a", "*a*", "w*_*a", "*", "constructor", "{{external.t}}"],
  ...["^read_(a|b)$", "^read|a$", "^.*$", "^[^r].*$", "pre{{external.t}}", "{{external.none}}"],
];
const TRAIT_VALUES = ["echo", "read_*", "", "^write_.$", "dev", "*"];
const DIGESTS = ["a".repeat(64), "b".repeat(64)];

const pattern = fc.constantFrom(...PATTERNS);
const name = fc.constantFrom(...NAMES);
const label = fc.constantFrom("dev", "prod", "");
const labels: fc.Arbitrary<Labels> = fc.dictionary(fc.constantFrom("env", "team"), label);
const traits: fc.Arbitrary<Traits> = fc.dictionary(
  fc.constantFrom("t", "u"),
  fc.array(fc.constantFrom(...TRAIT_VALUES), { maxLength: 3 }),
);
const labelPattern = fc.constantFrom("dev", "prod", "d*", "*", "^dev|x$", "{{external.t}}");
const selector = fc.oneof(
  fc.dictionary(fc.constantFrom("env", "team"), fc.array(labelPattern, { maxLength: 2 })),
  fc.constant({ "*": ["*"] }),
  fc.constant({ "*": ["*"], env: ["nope"] }),
);

/** Expressions as text beside what they mean, written here a second time. */
const expression = fc.constantFrom<NonNullable<NaiveSide["expression"]>>(
  { text: 'labels["env"] == "dev"', holds: (l) => l["env"] === "dev" },
  { text: 'labels.env != "dev"', holds: (l) => l["env"] !== "dev" },
  {
    text: 'contains(user.spec.traits["t"], labels["team"])',
    holds: (l, t) => (t["t"] ?? []).includes(l["team"] ?? ""),
  },
  {
    text: '!contains_any(user.spec.traits.t, set("echo", "dev")) || labels.team == "prod"',
    holds: (l, t) =>
      !(t["t"] ?? []).some((v) => v === "echo" || v === "dev") || l["team"] === "prod",
  },
);
const where = fc.constantFrom<NonNullable<NaiveTool["where"]>>(
  {
    text: 'arguments.a == "x"',
    holds: (args) => {
      const a = at(args, "a");
      return a === undefined || a === null ? false : typeof a === "string" ? a === "x" : undefined;
    },
  },
  {
    text: 'contains(arguments.list, "x")',
    holds: (args) => {
      const list = at(args, "list") ?? [];
      const all = Array.isArray(list) ? list : [list];
      return all.every((item) => ["string", "number", "boolean"].includes(typeof item))
        ? all.includes("x")
        : undefined;
    },
  },
  {
    text: "arguments.n < 3",
    holds: (args) => typeof at(args, "n") === "number" ? Number(at(args, "n")) < 3 : undefined,
  },
);

function at(args: unknown, key: string): unknown {
  return (args as Record<string, unknown>)[key];
}

const args = fc.record({
  a: fc.constantFrom<unknown>("x", "y", 1, ["x"], null, undefined),
  list: fc.constantFrom<unknown>(["x"], ["y", 2], "x", [["x"]], { x: 1 }, undefined),
  n: fc.constantFrom<unknown>(1, 5, "1", undefined),
});
const definition = fc.option(fc.constantFrom(...DIGESTS), { nil: undefined });
const tool: fc.Arbitrary<NaiveTool> = fc.oneof(
  { weight: 4, arbitrary: pattern.map((name) => ({ name })) },
  { weight: 1, arbitrary: fc.record({ name: pattern, where }) },
  { weight: 1, arbitrary: fc.record({ name: pattern, sha256: fc.constantFrom(...DIGESTS) }) },
  {
    weight: 1,
    arbitrary: fc.record({ name: pattern, where, sha256: fc.constantFrom(...DIGESTS) }),
  },
);

function side(likely: number): fc.Arbitrary<NaiveSide> {
  const some = <T>(value: fc.Arbitrary<T>, weight: number) =>
    fc.oneof({ weight, arbitrary: value }, {
      weight: 8 - weight,
      arbitrary: fc.constant(undefined),
    });
  return fc.record({
    app_labels: some(selector, likely),
    expression: some(expression, 2),
    tools: some(fc.array(tool, { maxLength: 4 }), likely),
    resources: some(fc.array(pattern, { maxLength: 2 }), 2),
    prompts: some(fc.array(pattern, { maxLength: 2 }), 2),
  }).map((parts) =>
    Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined))
  );
}

const roles: fc.Arbitrary<readonly NaiveRole[]> = fc.array(
  fc.record({
    allow: side(7),
    deny: side(1),
    mfa: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, {
      weight: 1,
      arbitrary: fc.constant(true),
    }),
  }),
  { maxLength: 4 },
).map((all) => all.map((role, index) => ({ ...role, name: `role-${index}` })));

const ask: fc.Arbitrary<NaiveAsk> = fc.record({
  kind: fc.constantFrom("app", "tool", "tool", "tool", "resource", "prompt"),
  name,
  args,
  definition,
});

function parsed(all: readonly NaiveRole[]): readonly Role[] {
  const text = all.map((role) => `--- ${JSON.stringify(roleDocument(role))}\n`).join("");
  if (all.length === 0) return [];
  const { roles, problems } = parseRoles(text, "random.yaml");
  assert.deepEqual(problems, []);
  return roles;
}

function compiled(all: readonly Role[], traits: Traits, labels: Labels): AppPolicy {
  return compilePolicy(all, { name: "bot", traits }, { name: "app", labels });
}

function answer(policy: AppPolicy, { kind, name, args, definition }: NaiveAsk): Decision {
  switch (kind) {
    case "app":
      return policy.access;
    case "tool":
      return policy.decideTool(name, { arguments: () => args, definition });
    case "resource":
      return policy.decideResource(name);
    case "prompt":
      return policy.decidePrompt(name);
  }
}

const asks = fc.array(ask, { minLength: 1, maxLength: 6 });
const facts = { traits, labels, asks };

test("the compiled policy agrees with a naive reading of random roles", () => {
  let allowed = 0;
  let asked = 0;
  fc.assert(
    fc.property(roles, fc.record(facts), (all, { traits, labels, asks }) => {
      const policy = compiled(parsed(all), traits, labels);
      for (const ask of asks) {
        const expected = naiveAllows(all, traits, labels, ask);
        // Asked twice: what is remembered is what was decided.
        for (let time = 0; time < 2; time++) {
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

test("decisions never throw, whatever they are asked", () => {
  const throwing = {
    get a(): never {
      throw new Error("no");
    },
  };
  fc.assert(
    fc.property(
      roles,
      fc.record(facts),
      fc.string({ unit: "binary" }),
      fc.oneof(
        fc.anything(),
        fc.constant(throwing),
        fc.constant(
          new Proxy({}, {
            getOwnPropertyDescriptor() {
              throw new Error("no");
            },
          }),
        ),
      ),
      (all, { traits, labels }, name, thing) => {
        const policy = compiled(parsed(all), traits, labels);
        for (
          const build of [() => thing, () => {
            throw new Error("no");
          }]
        ) {
          const decision = policy.decideTool(name, { arguments: build, definition: name });
          assert.ok(decision.effect === "allow" || decision.effect === "deny");
        }
        policy.listTool(name, name);
        policy.decideResource(name);
        policy.decidePrompt(name);
      },
    ),
    { numRuns: 1000 },
  );
});

test("reading roles never throws, whatever the text", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 200 }),
        fc.json({ maxDepth: 6 }),
        fc.tuple(roles, fc.nat(), fc.string({ maxLength: 4 })).map(([all, where, noise]) => {
          const text = JSON.stringify(all.map(roleDocument)[0] ?? {});
          const cut = where % (text.length + 1);
          return text.slice(0, cut) + noise + text.slice(cut + 1);
        }),
      ),
      (text) => {
        const { roles, problems } = parseRoles(text, "x.yaml");
        assert.ok(roles.length > 0 || problems.length > 0);
        for (const { at } of problems) assert.ok(at.line >= 1 && at.column >= 1);
      },
    ),
    { numRuns: 1500 },
  );
});

test("deeply nested text is a problem, not a crash", () => {
  for (const text of ["[".repeat(50_000), "{a: ".repeat(20_000), "- ".repeat(20_000)]) {
    const { roles, problems } = parseRoles(text, "x.yaml");
    assert.equal(roles.length, 0);
    assert.ok(problems.length > 0);
  }
});

test("aliases without end are a problem, not a crash", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 10; i++) {
    lines.push(`a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join(", ")}]`);
  }
  const { problems } = parseRoles(lines.join("\n"), "x.yaml");
  assert.ok(problems.some(({ message }) => message.includes("Aliases for too much")));
});
