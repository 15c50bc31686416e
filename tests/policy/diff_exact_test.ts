// A diff is right when it agrees with asking: for named bots and apps, and for all that there could
// be, against every set of roles and every kind of label.
import assert from "node:assert/strict";
import fc from "fast-check";
import { diffPolicies, type DiffWorld } from "../../policy/diff.ts";
import { type AppPolicy, compilePolicy, parseRoles, PolicyError } from "../../policy/mod.ts";
import type { Role } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

interface Side {
  readonly labels?: Record<string, unknown> | undefined;
  readonly tools?: readonly string[];
  readonly resources?: readonly string[] | undefined;
}

type Written = readonly [name: string, allow: Side, deny: Side, mfa: boolean];

function roles(all: readonly Written[]): readonly Role[] {
  if (all.length === 0) return [];
  const side = ({ labels, tools, resources }: Side) => ({
    ...(labels && { app_labels: labels }),
    mcp: { ...(tools && { tools }), ...(resources && { resources }) },
  });
  const text = all.map(([name, allow, deny, mfa]) => {
    const spec = {
      allow: side(allow),
      deny: side(deny),
      options: mfa ? { require_session_mfa: true } : {},
    };
    return `--- ${JSON.stringify({ kind: "role", version: "v8", metadata: { name }, spec })}\n`;
  });
  const parsed = parseRoles(text.join(""), "roles.yaml");
  assert.deepEqual(parsed.problems, []);
  return parsed.roles;
}

const BOT: DiffWorld = {
  subjects: [{ name: "bot", traits: { t: ["echo"] } }],
  apps: [{ name: "app", labels: { env: "dev" } }],
};

const patterns = [
  ...["read_a", "read_*", "*_a", "*", "^read_(a|b)$", "^[^r]*$", "echo", "*a*"],
];
const pattern = fc.constantFrom(...patterns, "{{external.t}}");
const labels = fc.constantFrom<Record<string, unknown>>(
  { env: "dev" },
  { env: "prod" },
  { env: "d*" },
  { env: ["dev", "stage"], team: "*" },
  { team: "^(a|b)$" },
  { "*": "*" },
);
const names = ["", "r", "read_a", "read_b", "read_c", "x_a", "echo", "a", "b", "zz", "bab", "é"];

test("a diff is empty exactly when no ask tells the roles apart, and its witnesses are witnesses", () => {
  let differing = 0;
  const side = fc.record({ labels, tools: fc.array(pattern, { maxLength: 3 }) });
  const denied = fc.record({ tools: fc.array(pattern, { maxLength: 2 }) });
  const some = fc.array(fc.tuple(side, denied), { maxLength: 3 })
    .map((all) => roles(all.map(([allow, deny], i) => [`r${i}`, allow, deny, false])));
  fc.assert(
    fc.property(some, some, (old, now) => {
      const { changes, grants, undecided } = diffPolicies(old, now, BOT);
      assert.deepEqual(undecided, []);
      const [subject, app] = [BOT.subjects![0]!, BOT.apps![0]!];
      const [before, after] = [old, now].map((all) => compilePolicy(all, subject, app));
      assert.ok(before && after);
      for (const { what, name, effect } of changes) {
        if (what !== "tool") continue;
        assert.equal(allows(before, "tool", name), effect === "loses", name);
        assert.equal(allows(after, "tool", name), effect === "gains", name);
      }
      const gained = names.some((name) =>
        !allows(before, "tool", name) && allows(after, "tool", name)
      );
      if (gained) assert.ok(grants);
      if (names.some((name) => allows(before, "tool", name) !== allows(after, "tool", name))) {
        differing++;
        assert.ok(changes.some(({ what }) => what === "tool"));
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(differing > 60, `${differing} pairs differed`);
});

test("a diff without bots and apps finds what any set of roles gains or loses on any app", () => {
  const list = fc.array(fc.constantFrom(...patterns), { maxLength: 2 });
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });
  const role = fc.record({
    allow: fc.record({ labels, tools: list, resources: maybe(list) }),
    deny: fc.record({ labels: maybe(labels), tools: list }),
    mfa: fc.constantFrom(false, false, true),
  });
  // Most roles stay as they are; the others change, come or go.
  const pair = fc.array(
    fc.tuple(role, role, fc.constantFrom("same", "same", "new", "gone", "both")),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  let [gains, losses, large] = [0, 0, 0];
  fc.assert(
    fc.property(pair, (all) => {
      const old = all.flatMap(([a, , fate], i) => fate === "new" ? [] : [written(i, a)]);
      const now = all.flatMap(([a, b, fate], i) =>
        fate === "gone" ? [] : [written(i, fate === "both" ? b : a)]
      );
      const [before, after] = [roles(old), roles(now)];
      const diff = diffPolicies(before, after);
      assert.deepEqual(diff.undecided, []);
      // Each change that is told is one.
      for (const { subject, app, what, name, effect } of diff.changes) {
        const held = subject.match(/r\d/g) ?? [];
        const [was, is] = [before, after].map((side) => policyOf(side, held, app.labels));
        assert.equal(grantsOf(was, what, name), effect === "loses", `${subject}: ${name} before`);
        assert.equal(grantsOf(is, what, name), effect === "gains", `${subject}: ${name} after`);
      }
      // And each change that there is is told.
      const found = brute(before, after);
      if (found.gain) gains++;
      if (found.loss) losses++;
      if (found.roles > 1) large++;
      if (found.gain) assert.ok(diff.grants, `not told: ${found.gain}`);
      if (found.loss) {
        assert.ok(diff.changes.some(({ effect }) => effect === "loses"), `not told: ${found.loss}`);
      }
    }),
    { numRuns: 120 },
  );
  assert.ok(gains > 30 && losses > 30 && large > 10, `${gains}, ${losses}, ${large}`);
});

function written(
  index: number,
  { allow, deny, mfa }: { allow: Side; deny: Side; mfa: boolean },
): Written {
  return [`r${index}`, allow, deny, mfa];
}

/** Asks about every set of roles, every kind of app and many names, one by one. */
function brute(before: readonly Role[], after: readonly Role[]) {
  const all = [...new Set([...before, ...after].map(({ name }) => name))];
  const found = { gain: "", loss: "", roles: 0 };
  for (let set = 1; set < 1 << all.length; set++) {
    const held = all.filter((_, index) => set & 1 << index);
    for (const env of [undefined, "dev", "d", "prod", "stage", "zz"]) {
      for (const team of [undefined, "a", "z"]) {
        const labels = { ...(env && { env }), ...(team && { team }) };
        const [was, is] = [before, after].map((side) => policyOf(side, held, labels));
        for (const what of ["app", "tool", "resource"] as const) {
          for (const name of what === "app" ? [""] : names) {
            const [a, b] = [grantsOf(was, what, name), grantsOf(is, what, name)];
            if (a === b) continue;
            const text = `${held} at ${JSON.stringify(labels)}: ${what} ${name}`;
            if (b) found.gain ||= text;
            else found.loss ||= text;
            // The fewest roles that show it: more than one is what pairs are for.
            found.roles = Math.max(found.roles, held.length);
          }
        }
      }
    }
  }
  return found;
}

function policyOf(
  all: readonly Role[],
  held: readonly string[],
  labels: Readonly<Record<string, string>>,
): AppPolicy | undefined {
  try {
    const subject = { name: "bot", traits: {} };
    return compilePolicy(all.filter(({ name }) => held.includes(name)), subject, {
      name: "app",
      labels,
    });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function grantsOf(
  policy: AppPolicy | undefined,
  what: "app" | "tool" | "resource" | "prompt",
  name: string,
): boolean {
  if (policy?.access.effect !== "allow") return false;
  return what === "app" || allows(policy, what, name);
}

function allows(policy: AppPolicy, what: "tool" | "resource" | "prompt", name: string): boolean {
  const decision = what === "tool"
    ? policy.decideTool(name)
    : what === "resource"
    ? policy.decideResource(name)
    : policy.decidePrompt(name);
  return decision.effect === "allow";
}
