// Conditions on arguments against the schemas of tools. Nothing may be found that could be
// otherwise: a value that a validator accepts must be one that lint holds possible.
import assert from "node:assert/strict";
import fc from "fast-check";
import * as z from "zod";
import { type Possible, possibleAt } from "../../policy/lint/_schema_types.ts";
import { lintRoles } from "../../policy/lint/mod.ts";
import { parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    path: { type: "string" },
    mode: { enum: ["read", "write"] },
    limit: { type: ["integer", "null"] },
    force: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    file: { $ref: "#/$defs/file" },
    either: { anyOf: [{ type: "string" }, { type: "number" }] },
    open: {},
    odd: { $ref: "https://example.com/other.json" },
    anchored: { $ref: "#elsewhere" },
  },
  $defs: {
    file: {
      type: "object",
      properties: { size: { type: "number" }, inner: { $ref: "#/$defs/file" } },
      additionalProperties: false,
    },
  },
};

function found(where: string, ...schemas: unknown[]): string[] {
  const role = {
    kind: "role",
    version: "v8",
    metadata: { name: "r" },
    spec: { allow: { app_labels: { a: "b" }, mcp: { tools: [{ name: "t*", where }] } } },
  };
  const { roles, problems } = parseRoles(JSON.stringify(role), "r.yaml");
  assert.deepEqual(problems, [], where);
  const tools = schemas.map((inputSchema, index) => ({ name: `t${index}`, inputSchema }));
  return lintRoles(roles, { tools }).map(({ rule, message }) => `${rule}: ${message}`);
}

const misfits: [where: string, found: RegExp | undefined][] = [
  ['arguments.path == "/tmp"', undefined],
  [
    "arguments.path == 1",
    /^mistyped-argument: The argument path is of type string, and is taken for a number$/,
  ],
  ["arguments.limit <= 10", undefined],
  ['arguments.limit == "10"', /limit is of type number, and is taken for a text/],
  ['arguments.mode == "read"', undefined],
  ['arguments.mode == ""', undefined],
  ['arguments.mode == "delete"', /mode is never "delete": it is one of "read", "write"/],
  ["arguments.force", undefined],
  ["!arguments.path", /path is of type string, and is taken for true or false/],
  ['contains(arguments.tags, "x")', undefined],
  ['contains(arguments.path, "x")', undefined],
  ['contains(arguments.limit, "x")', /limit is of type number, and is taken for a list/],
  ['arguments.tags[0] == "x"', undefined],
  ["arguments.tags[0] == 1", /tags\[0\] is of type string/],
  ["arguments.file.size > 1", undefined],
  ["arguments.file.inner.inner.size > 1", undefined],
  ['arguments.file.inner.size == "x"', /file\.inner\.size is of type number/],
  ['arguments.file.name == "x"', /^unknown-argument: There is no argument file\.name$/],
  ['arguments.either == "x" || arguments.either == 1', undefined],
  ["arguments.either", /either is of type string or number, and is taken for true or false/],
  ["arguments.open == 1 && arguments.odd.x == 1 && arguments.anchored == 1", undefined],
  ['arguments["a b"] == "x"', /There is no argument \["a b"\]/],
];
for (const [where, expected] of misfits) {
  test(`lint ${expected ? "finds what is wrong with" : "finds nothing wrong with"} ${where}`, () => {
    const all = found(where, SCHEMA);
    if (!expected) assert.deepEqual(all, []);
    else assert.match(all.join("\n"), expected);
    // Another tool that it may fit is reason enough for it.
    assert.deepEqual(found(where, SCHEMA, {}), []);
    assert.deepEqual(found(where, SCHEMA, undefined), []);
  });
}

test("schemas that go in circles come to an end", () => {
  const circle = {
    $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } },
    $ref: "#/$defs/a",
  };
  assert.deepEqual(possibleAt(circle, ["x"]), { kind: "anything" });
});

const name = fc.constantFrom("a", "b", "c");
const leaf = fc.oneof(
  fc.constantFrom<object>(
    { type: "string" },
    { type: "number" },
    { type: ["boolean", "null"] },
    { enum: ["x", 1, null] },
    { const: "y" },
    { type: "array", items: { type: "number" } },
    {},
  ),
);
const { schema } = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({
      type: fc.constant("object"),
      properties: fc.dictionary(name, tie("schema"), { maxKeys: 3, noNullPrototype: true }),
      additionalProperties: fc.constantFrom(false, true),
    }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
  ),
}));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>("x", "y", "z", 1, 2, true, null, [1], ["x"]),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

test("what a validator accepts is held possible, whatever the schema", () => {
  let judged = 0;
  fc.assert(
    fc.property(
      schema,
      fc.array(value, { minLength: 1, maxLength: 12 }),
      fc.array(name, { maxLength: 3 }),
      (
        schema,
        values,
        path,
      ) => {
        const validator = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
        const possible = possibleAt(schema, path);
        for (const accepted of values.filter((each) => validator.safeParse(each).success)) {
          const there = path.reduce<unknown>(
            (found, step) => (found as Record<string, unknown> | undefined | null)?.[step],
            accepted,
          );
          if (there === undefined) continue;
          if (possible.kind !== "anything") judged++;
          assert.ok(holds(possible, there), `${JSON.stringify(accepted)} at ${path}`);
        }
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(judged > 300, `${judged} values were judged`);
});

function holds(possible: Possible, there: unknown): boolean {
  if (possible.kind !== "types") return possible.kind === "anything";
  const type = there === null ? "null" : Array.isArray(there) ? "array" : typeof there;
  return possible.types.has(type as "string") && (possible.values?.includes(there) ?? true);
}
