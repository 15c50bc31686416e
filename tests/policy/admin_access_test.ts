import assert from "node:assert/strict";
import { type AdminRight, decideAdmin, parseRole, parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";

const role = (allow: string, deny = "[]", more = "") =>
  `kind: role\nversion: v8\nmetadata: {name: r}\n` +
  `spec: {allow: {rules: ${allow}${more}}, deny: {rules: ${deny}}}\n`;
const decided = (texts: readonly string[], resource: string, verb: string) => {
  const roles = texts.map((text) => parseRole(text, "role.yaml"));
  return decideAdmin(roles, { resource, verb } as AdminRight).effect;
};

for (
  const [name, texts, resource, verb, effect] of [
    ["a role without rules", [role("[]")], "role", "read", "deny"],
    ["another resource", [role("[{resources: [bot], verbs: ['*']}]")], "role", "read", "deny"],
    ["another verb", [role("[{resources: [role], verbs: [list]}]")], "role", "read", "deny"],
    [
      "the verb and the resource",
      [role("[{resources: [role], verbs: [list, read]}]")],
      "role",
      "read",
      "allow",
    ],
    ["all of both", [role("[{resources: ['*'], verbs: ['*']}]")], "token", "delete", "allow"],
    [
      "read where no secrets are asked for",
      [role("[{resources: [cert_authority], verbs: [read]}]")],
      "cert_authority",
      "readnosecrets",
      "allow",
    ],
    [
      "readnosecrets where secrets are asked for",
      [role("[{resources: [token], verbs: [readnosecrets]}]")],
      "token",
      "read",
      "deny",
    ],
    [
      "a deny beside the allow",
      [role("[{resources: ['*'], verbs: ['*']}]", "[{resources: [lock], verbs: [delete]}]")],
      "lock",
      "delete",
      "deny",
    ],
    [
      "the deny of another role",
      [
        role("[{resources: ['*'], verbs: ['*']}]"),
        role("[]", "[{resources: ['*'], verbs: ['*']}]"),
      ],
      "bot",
      "list",
      "deny",
    ],
    [
      "a deny of reading without secrets",
      [role(
        "[{resources: [token], verbs: [read]}]",
        "[{resources: [token], verbs: [readnosecrets]}]",
      )],
      "token",
      "read",
      "deny",
    ],
    [
      "a deny of another resource",
      [role("[{resources: ['*'], verbs: ['*']}]", "[{resources: [lock], verbs: ['*']}]")],
      "bot",
      "list",
      "allow",
    ],
    [
      "a namespace that is none of ours",
      [role("[{resources: ['*'], verbs: ['*']}]", "[]", ", namespaces: [prod]")],
      "bot",
      "list",
      "deny",
    ],
  ] as const
) {
  test(`decideAdmin(): ${name}: ${effect}`, () => {
    assert.equal(decided(texts, resource, verb), effect);
  });
}

test("the verb of one role and the resource of another give nothing together", () => {
  const roles = [
    role("[{resources: [role], verbs: [list]}]"),
    role("[{resources: [bot], verbs: [delete]}]"),
  ];
  assert.equal(decided(roles, "role", "delete"), "deny");
});

for (
  const [rule, message] of [
    ["{resources: [role], verbs: [read], where: 'true'}", /rules\[0\]\.where is not supported/],
    ["{resources: [role], verbs: [read], actions: [log]}", /rules\[0\]\.actions is not supported/],
    ["{resources: [role], verbs: [raed]}", /there is no verb "raed"/],
    ["{resources: [role]}", /rules\[0\]\.verbs is missing/],
    ["{verbs: [read]}", /rules\[0\]\.resources is missing/],
    ["{resources: role, verbs: [read]}", /must be a list/],
  ] as const
) {
  test(`a role with the rule ${rule} is refused where it is wrong, on either side`, () => {
    for (const text of [role(`[${rule}]`), role("[]", `[${rule}]`)]) {
      const { problems, roles } = parseRoles(text, "role.yaml");
      assert.match(problems.map((problem) => problem.message).join("\n"), message);
      assert.deepEqual(roles, []);
    }
  });
}

test("a resource that is not here is a notice: one role may serve other clusters too", () => {
  const { notices, problems } = parseRoles(
    role("[{resources: [rolle, node], verbs: [read, use]}]"),
    "role.yaml",
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(notices.map(({ hint, message }) => [message, hint]), [
    [
      'spec.allow.rules[0]: "rolle" is not a known resource, and has no effect',
      "did you mean role?",
    ],
    ['spec.allow.rules[0]: there is no resource "node" here; it has no effect', undefined],
    ['spec.allow.rules[0]: the verb "use" has no effect here', undefined],
  ]);
});
