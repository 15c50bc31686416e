// Random roles and questions, for the laws that hold for all of them.
import assert from "node:assert/strict";
import fc from "fast-check";
import { compilePolicy, parseRoles } from "../../policy/mod.ts";
import type { AppPolicy, Decision, Role } from "../../policy/mod.ts";
import {
  type Labels,
  type NaiveAsk,
  type NaiveRole,
  type NaiveSide,
  type NaiveTool,
  roleDocument,
  type Traits,
} from "./_naive.ts";

const NAMES = [
  ...["read_a", "read_b", "write_a", "echo", "", "é😀", "a\nb", "*", "constructor"],
  // Halves of characters, and a name longer than any that is remembered.
  ...["\ud800", "read_\udc00", "\udc00\ud800_a", `read_${"x".repeat(300)}_a`],
];
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
      if (!all.every((item) => ["string", "number", "boolean"].includes(typeof item))) return;
      if (all.includes("x")) return true;
      return all.every((item) => typeof item === "string") ? false : undefined;
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

export const roles: fc.Arbitrary<readonly NaiveRole[]> = fc.array(
  fc.record({
    version: fc.constantFrom("v3", "v4", "v5", "v6", "v7", "v8", "v8", "v8"),
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

/** Roles as the parser reads them; they must be without problems. */
export function parsed(all: readonly NaiveRole[]): readonly Role[] {
  const text = all.map((role) => `--- ${JSON.stringify(roleDocument(role))}\n`).join("");
  if (all.length === 0) return [];
  const { roles, problems } = parseRoles(text, "random.yaml");
  assert.deepEqual(problems, []);
  return roles;
}

export function compiled(all: readonly Role[], traits: Traits, labels: Labels): AppPolicy {
  return compilePolicy(all, { name: "bot", traits }, { name: "app", labels });
}

export function answer(policy: AppPolicy, { kind, name, args, definition }: NaiveAsk): Decision {
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

/** A principal's traits, an app's labels, and what is asked there. */
export const facts = {
  traits,
  labels,
  asks: fc.array(ask, { minLength: 1, maxLength: 6 }),
};
