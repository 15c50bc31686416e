// Whatever it is given, policy answers: with a decision, or with problems; it never throws.
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";
import { roleDocument } from "./_naive.ts";
import { compiled, facts, parsed, roles } from "./_random_roles.ts";

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

test("names of a megabyte are decided as short ones are", () => {
  const long = "x".repeat(1 << 20);
  const [role] = parsed([{
    name: "r",
    allow: {
      app_labels: { "*": ["*"] },
      tools: ["read_*", "*_file", "*needle*", "a*b*c", "^(x|y)+z$", "^(a*)*b$"].map((name) => ({
        name,
      })),
      resources: ["file:///*", "^mem://(a|b)+$"],
    },
    deny: { tools: [{ name: "*secret*" }] },
    mfa: false,
  }]);
  assert.ok(role);
  const policy = compiled([role], {}, {});
  const cases: readonly [name: string, allowed: boolean][] = [
    [`read_${long}`, true],
    [`${long}_file`, true],
    [`${long}needle${long}`, true],
    [`a${long}b${long}c`, true],
    [`${long}z`, true],
    [`${"a".repeat(1 << 20)}b`, true],
    [long, false],
    ["\ud83d".repeat(1 << 20), false],
    [`read_${long}secret`, false],
  ];
  for (const [name, allowed] of cases) {
    for (let time = 0; time < 3; time++) {
      assert.equal(policy.decideTool(name).effect, allowed ? "allow" : "deny", name.slice(0, 9));
    }
  }
  assert.equal(policy.decideResource(`file:///${long}`).effect, "allow");
  assert.equal(policy.decideResource(`mem://${"ab".repeat(1 << 19)}`).effect, "allow");
  assert.equal(policy.decideResource(`http://${long}`).effect, "deny");
});

test("decisions never throw on any sequence of UTF-16 units, asked by automaton or by index", () => {
  const unit = fc.oneof(
    fc.integer({ min: 0xd800, max: 0xdfff }),
    fc.integer({ min: 0, max: 0xffff }),
    fc.constantFrom(..."aeghort_\n").map((letter) => letter.charCodeAt(0)),
  );
  const name = fc.array(unit, { maxLength: 40 }).map((units) => String.fromCharCode(...units));
  const tools = Array.from({ length: 300 }, (_, i) => ({ name: `*unheard_of_${i}*` }));
  const filler = { name: "filler", allow: {}, deny: { tools }, mfa: false };
  fc.assert(
    fc.property(roles, fc.record(facts), name, (all, { traits, labels }, name) => {
      const few = compiled(parsed(all), traits, labels);
      const many = compiled(parsed([...all, filler]), traits, labels);
      assert.equal(few.decideTool(name).effect, many.decideTool(name).effect);
      assert.equal(few.decideResource(name).effect, many.decideResource(name).effect);
      assert.equal(few.decidePrompt(name).effect, many.decidePrompt(name).effect);
    }),
    { numRuns: 300 },
  );
});
