import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { createRedactor, parsePath, type RedactionPath } from "../../identity/audit/mod.ts";
import { test } from "../support/harness.ts";

const KEY = "ab".repeat(32);
const digest = (text: string) =>
  `hmac-sha256:${createHmac("sha256", KEY).update(text).digest("hex")}`;

function paths(...texts: string[]): RedactionPath[] {
  return texts.map((text) => {
    const parsed = parsePath(text);
    assert.ok(parsed.ok, text);
    return parsed.path;
  });
}

const MESSAGE = {
  method: "tools/call",
  params: {
    name: "login",
    arguments: {
      password: "hunter2",
      users: [{ name: "ann", token: "t1" }, { name: "bob", token: "t2" }],
      "odd key": { a: 1, b: 2 },
      deep: { inner: { token: "t1" } },
    },
  },
};

const cases: [path: string, expected: (message: typeof MESSAGE) => void][] = [
  ["$.params.arguments.password", ({ params }) => params.arguments.password = digest('"hunter2"')],
  [
    "$['params'][\"arguments\"].users[1].token",
    ({ params }) => params.arguments.users[1]!.token = digest('"t2"'),
  ],
  ["$.params.arguments.users[*].token", ({ params }) => {
    params.arguments.users[0]!.token = digest('"t1"');
    params.arguments.users[1]!.token = digest('"t2"');
  }],
  ["$..token", ({ params }) => {
    params.arguments.users[0]!.token = digest('"t1"');
    params.arguments.users[1]!.token = digest('"t2"');
    params.arguments.deep.inner.token = digest('"t1"');
  }],
  ["$.params.arguments['odd key']", ({ params }) => {
    (params.arguments as Record<string, unknown>)["odd key"] = digest('{"a":1,"b":2}');
  }],
  ["$.params.arguments.nothing.here", () => {}],
];
for (const [path, expected] of cases) {
  test(`redaction by ${path} replaces what it selects, and nothing else`, () => {
    const wanted = structuredClone(MESSAGE);
    expected(wanted);
    const before = JSON.stringify(MESSAGE);
    assert.deepEqual(createRedactor(paths(path), KEY).redact(MESSAGE), wanted);
    assert.equal(JSON.stringify(MESSAGE), before, "the message itself stays");
  });
}

test("equal values have equal digests, whatever the order of their members, and other keys other ones", () => {
  const redact = (value: unknown, key = KEY) =>
    (createRedactor(paths("$.v"), key).redact({ v: value }) as { v: string }).v;
  assert.equal(redact({ a: 1, b: [2] }), redact({ b: [2], a: 1 }));
  assert.notEqual(redact("1"), redact(1));
  assert.notEqual(redact("x"), redact("x", "cd".repeat(32)));
});

test("names such as __proto__ are redacted like any other", () => {
  const message = JSON.parse('{"params":{"__proto__":{"token":"x"}}}');
  const redacted = JSON.stringify(createRedactor(paths("$..token"), KEY).redact(message));
  assert.equal(redacted, `{"params":{"__proto__":{"token":${JSON.stringify(digest('"x"'))}}}}`);
});

for (
  const path of [
    "",
    "$",
    "params.x",
    "$params",
    "$.",
    "$.a[",
    "$.a[-1]",
    "$.a[?(@.b)]",
    "$.a b",
    "$.a..",
    "$[01]",
  ]
) {
  test(`parsePath() refuses ${JSON.stringify(path)}`, () => {
    assert.equal(parsePath(path).ok, false);
  });
}

test("what ..name selects is nowhere in what is recorded, however deep it was", () => {
  const json = fc.jsonValue({ maxDepth: 5 });
  fc.assert(
    fc.property(json, fc.constantFrom("secret-1", "secret-2"), (rest, secret) => {
      const value = {
        a: [{ token: secret, rest }, [{ token: { nested: secret } }]],
        token: [secret],
      };
      const redacted = JSON.stringify(createRedactor(paths("$..token"), KEY).redact(value));
      const expected = JSON.stringify(rest).includes(secret);
      assert.equal(redacted.includes(secret), expected);
    }),
    { numRuns: 300 },
  );
});
