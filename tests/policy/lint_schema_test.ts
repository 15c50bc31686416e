// The schema for editors against the parser: what one takes the other takes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseRoles } from "../../policy/mod.ts";
import { roleSchema } from "../../policy/schema.ts";
import { test } from "../support/harness.ts";

type Data = { [key: string]: unknown };

const schema = z.fromJSONSchema(roleSchema() as Parameters<typeof z.fromJSONSchema>[0]);
const bySchema = (role: unknown) => schema.safeParse(role).success;
const byParser = (role: unknown) => parseRoles(JSON.stringify(role), "r").problems.length === 0;

function role(spec: unknown, more: Data = {}): Data {
  return { kind: "role", version: "v8", metadata: { name: "r" }, spec, ...more };
}

const allow = (conditions: Data) => role({ allow: conditions });
const tools = (...list: unknown[]) => allow({ mcp: { tools: list } });

const valid: readonly Data[] = [
  role({}),
  role(null),
  { kind: "role", version: "v3", metadata: { name: "r", description: null, labels: { a: "b" } } },
  allow({ app_labels: { env: "dev", team: ["a", "b"], none: [] } }),
  allow({ app_labels: { "*": "*" } }),
  allow({ app_labels: { "*": ["*"] } }),
  role({ deny: { app_labels: { "*": "dev" } } }),
  allow({ app_labels: null, mcp: null, app_labels_expression: 'labels["env"] == "dev"' }),
  allow({ logins: ["root"], rules: [], impersonate: {} }),
  tools("*", { name: "a*", where: "arguments.x == 1", sha256: "aB".repeat(32) }),
  tools({ name: "a", where: null, sha256: null }),
  allow({ mcp: { resources: [], prompts: ["p"], tools: null }, namespaces: ["default"] }),
  role({ options: { max_session_ttl: "8h", lock: "strict", forward_agent: true } }),
  role({ options: { lock: "", device_trust_mode: "required", require_session_mfa: "Session" } }),
  role({ options: { require_session_mfa: 3 } }),
  role({ options: { require_session_mfa: true, max_session_ttl: null } }),
];

const invalid: readonly unknown[] = [
  [],
  "role",
  { kind: "bot", version: "v8", metadata: { name: "r" } },
  { version: "v8", metadata: { name: "r" } },
  { kind: "role", metadata: { name: "r" } },
  { kind: "role", version: "v8" },
  role({}, { version: "v9" }),
  role({}, { version: 8 }),
  role({}, { metadata: {} }),
  role({}, { metadata: { name: " " } }),
  role({}, { metadata: { name: "Proxy" } }),
  role({}, { metadata: { name: 1 } }),
  role({}, { metadata: { name: "r", nam: "x" } }),
  role({}, { specs: {} }),
  role([]),
  role({ allows: {} }),
  allow({ app_label: {} }),
  allow({ app_labels: "dev" }),
  allow({ app_labels: { env: 1 } }),
  allow({ app_labels: { env: null } }),
  allow({ app_labels: { env: ["dev", true] } }),
  allow({ app_labels: { "*": "dev" } }),
  allow({ app_labels: { "*": ["*", "dev"] } }),
  allow({ app_labels_expression: true }),
  allow({ mcp: [] }),
  allow({ mcp: { tool: [] } }),
  allow({ mcp: { tools: "*" } }),
  allow({ mcp: { resources: [{ name: "r" }] } }),
  allow({ namespaces: "default" }),
  tools(1),
  tools({}),
  tools({ name: "a", when: "x" }),
  tools({ name: "a", sha256: "abc" }),
  tools({ name: "a", where: 1 }),
  role({ options: { lock: "weak" } }),
  role({ options: { max_session_ttl: 8 } }),
  role({ options: { require_session_mfa: 6 } }),
  role({ options: { require_session_mfa: "sometimes" } }),
  role({ options: { device_trust_mode: "perhaps" } }),
  role({ options: { locks: "strict" } }),
];

for (const document of valid) {
  test(`schema and parser take ${JSON.stringify(document).slice(0, 110)}`, () => {
    assert.equal(byParser(document), true, "the parser");
    assert.equal(bySchema(document), true, "the schema");
  });
}

for (const document of invalid) {
  test(`schema and parser refuse ${JSON.stringify(document).slice(0, 110)}`, () => {
    assert.equal(byParser(document), false, "the parser");
    assert.equal(bySchema(document), false, "the schema");
  });
}

test("docs/schema/role.schema.json is the schema of this version", () => {
  const published = JSON.parse(readFileSync("docs/schema/role.schema.json", "utf8"));
  assert.deepEqual(
    published,
    roleSchema(),
    "run: deno run --allow-read cli/policy.ts schema > docs/schema/role.schema.json",
  );
});
