import assert from "node:assert/strict";
import { stringify } from "yaml";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { IdentityError } from "../../identity/mod.ts";
import { realAuthority } from "../support/real_authority.ts";
import { test } from "../support/harness.ts";

const NAMING = {
  http: { name: "http", description: "far away", labels: { env: "prod" } },
  stdio: { name: "stdio", description: "", labels: {} },
};
const SPECS: Record<keyof typeof NAMING, Record<string, unknown>> = {
  http: {
    uri: "mcp+sse+https://mcp.example.com/sse",
    insecure_skip_verify: true,
    commands: [{ name: "region", command: ["cat", "/etc/region"], period: "1h" }],
    rewrite: {
      jwt_claims: "roles",
      headers: ["Authorization: Bearer {{internal.jwt}}"],
      headers_from: [
        { name: "X-Key", prefix: "k ", file: "/run/key" },
        { name: "X-Short", command: ["mint"], period: "90s" },
      ],
    },
  },
  stdio: {
    mcp: {
      command: "npx",
      args: ["-y", "server"],
      run_as_host_user: "mcp",
      cwd: "/srv",
      pass_env: ["HTTPS_PROXY"],
      env: { MODE: "fast", TOKEN: { env: "TOKEN" } },
    },
  },
};

for (const name of ["http", "stdio"] as const) {
  const document = (spec: unknown) =>
    stringify({ kind: "app", version: "v3", metadata: NAMING[name], spec });

  test(`a resource and a file mean the same app over ${name}, and tctl get gives it back`, async (context) => {
    const { cluster } = await realAuthority(context);
    const admin = createAdmin(cluster);
    const create = (text: string, force = false) =>
      admin.createResources({ text, file: "app.yaml", force });
    await create(document(SPECS[name]));
    const [stored] = cluster.view.appResources();
    const file = stringify({ app_service: { apps: [{ ...NAMING[name], ...SPECS[name] }] } });
    assert.deepEqual([stored], parseClusterConfig(file, "teleport.yaml").apps);
    const printed = await admin.getResources({ refs: [{ kind: "app", name }] });
    await create(printed.map((resource) => stringify(resource)).join("---\n"), true);
    assert.deepEqual(cluster.view.appResources(), [stored]);
  });
}

test("a resource may give labels of commands as the original does", async (context) => {
  const { cluster } = await realAuthority(context);
  await createAdmin(cluster).createResources({
    text: stringify({
      kind: "app",
      version: "v3",
      metadata: NAMING.stdio,
      spec: { ...SPECS.stdio, dynamic_labels: { region: { command: ["where"], period: "2m" } } },
    }),
    file: "app.yaml",
    force: false,
  });
  assert.deepEqual(cluster.view.appResources()[0]?.dynamicLabels, [
    { name: "region", command: ["where"], periodMs: 120_000 },
  ]);
});

test("what is wrong with an app resource has its place in the text", async (context) => {
  const { cluster } = await realAuthority(context);
  const text = "kind: app\nversion: v3\nmetadata: {name: a}\nspec:\n  uri: mcp+https://x/mcp\n" +
    "  rewrite:\n    headers: ['Host: y']\n    header_from: []\n";
  await assert.rejects(
    createAdmin(cluster).createResources({ text, file: "app.yaml", force: false }),
    (error: unknown) => {
      assert.ok(error instanceof IdentityError);
      assert.match(error.message, /app.yaml:7:15: the header "Host" cannot be set/);
      assert.match(error.message, /app.yaml:8:5: unknown key `header_from` .*`headers_from`/);
      return true;
    },
  );
});
