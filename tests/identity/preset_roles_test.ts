import assert from "node:assert/strict";
import { offerPresetRoles } from "../../identity/authority/mod.ts";
import { type AdminRight, compilePolicy, decideAdmin, parseRoles } from "../../policy/mod.ts";
import { test } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

test("a new cluster has the presets once: what is removed or changed stays so", async (context) => {
  const authority = await realAuthority(context);
  const { store } = authority.cluster;
  const mine = "kind: role\nversion: v8\nmetadata: {name: access}\nspec: {allow: {}}\n";
  await authority.addRole("access", mine);
  await offerPresetRoles(authority.cluster);
  const names = async () => (await store.list("role")).map(({ name }) => name);
  assert.deepEqual(await names(), ["access", "auditor", "editor", "mcp-user"]);
  assert.equal((await store.get<{ source: string }>("role", "access"))?.value.source, mine);
  await store.update((tx) => tx.delete("role", "mcp-user"));
  await offerPresetRoles(authority.cluster);
  assert.deepEqual(await names(), ["access", "auditor", "editor"]);
  assert.deepEqual((await authority.auditTypes()).filter((type) => type.startsWith("role.")), [
    "role.created T9000I",
    "role.created T9000I",
    "role.created T9000I",
  ]);
});

test("the presets grant what they say: all tools of MCP, or those that traits name", async (context) => {
  const authority = await realAuthority(context);
  await offerPresetRoles(authority.cluster);
  const roleOf = async (name: string) => {
    const item = await authority.cluster.store.get<{ source: string }>("role", name);
    const { problems, roles } = parseRoles(item!.value.source, name);
    assert.deepEqual(problems, []);
    return roles[0]!;
  };
  const app = { name: "a", labels: { "teleport.internal/app-sub-kind": "mcp" } };
  const decide = async (name: string, traits: Record<string, string[]>, tool: string) =>
    compilePolicy([await roleOf(name)], { name: "bot", traits }, app).decideTool(tool).effect;
  assert.equal(await decide("mcp-user", {}, "anything"), "allow");
  assert.equal(await decide("access", {}, "anything"), "deny");
  assert.equal(await decide("access", { mcp_tools: ["read_*"] }, "read_file"), "allow");
  assert.equal(await decide("access", { mcp_tools: ["read_*"] }, "write_file"), "deny");
});

test("the presets editor and auditor speak of resources alone: no app, no tool, nothing secret", async (context) => {
  const authority = await realAuthority(context);
  await offerPresetRoles(authority.cluster);
  for (
    const [name, may] of [
      ["editor", ["role delete", "bot create", "token create", "app update", "lock delete"]],
      ["auditor", ["event read", "event list", "session_tracker list", "bot_instance read"]],
    ] as const
  ) {
    const role = authority.cluster.view.role(name)!;
    const app = { name: "a", labels: { env: "dev" } };
    assert.equal(compilePolicy([role], { name: "b", traits: {} }, app).access.effect, "deny");
    const decide = (right: string) => {
      const [resource, verb] = right.split(" ");
      return decideAdmin([role], { resource, verb } as AdminRight).effect;
    };
    for (const right of may) assert.equal(decide(right), "allow", `${name}: ${right}`);
    const other = name === "editor" ? "event read" : "role read";
    for (const right of [other, "cert_authority read"]) assert.equal(decide(right), "deny", right);
  }
});
