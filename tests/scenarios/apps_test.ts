// What `app_service` and app resources can say, on the compiled programs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  currentUser,
  eventually,
  EVERYTHING,
  GUIDE_ROLE,
  nodePath,
} from "../support/cluster_process.ts";
import { filesWith } from "../support/files_with.ts";
import { Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

const DEMO = "teleport-mcp-demo";

const DEMO_ROLE = GUIDE_ROLE.replace("name: example-role", "name: mcp-demo")
  .replace("env: dev", "teleport.internal/resource-type: demo");

/** An app beside the guide's, at the end of the section's list. */
function appLines(name: string, ...lines: string[]): string {
  const mcp = [
    "mcp:",
    `  command: ${JSON.stringify(nodePath())}`,
    `  args: [${JSON.stringify(EVERYTHING)}]`,
    `  run_as_host_user: ${currentUser()}`,
  ];
  return [`    - name: ${name}`, ...[...mcp, ...lines].map((line) => `      ${line}`), ""].join(
    "\n",
  );
}

test(
  "the demo server is there for a role that selects it, and a real client can use it",
  async (context) => {
    const guide = await Guide.start(context, { sections: "  mcp_demo_server: yes\n" });
    guide.write("demo.yaml", DEMO_ROLE);
    await guide.tctl("create", "-f", "demo.yaml");
    await guide.tctl("bots", "update", "example", "--add-roles", "mcp-demo");
    await guide.join();
    const where = ["-i", guide.identity, "--proxy", guide.cluster.proxy];
    const { stdout } = await guide.run("tsh", "mcp", "ls", ...where);
    assert.match(stdout, /^teleport-mcp-demo +A demo MCP server that shows .* stdio \[\*\]$/m);
    const client = await guide.open({ app: DEMO });
    assert.match(client.server, /^teleport-demo /);
    assert.deepEqual(await client.tools(), [
      "teleport_user_info",
      "teleport_session_info",
      "teleport_demo_info",
    ]);
    const user = JSON.parse(await client.call("teleport_user_info"));
    assert.deepEqual(user.roles.sort(), ["example-role", "mcp-demo"]);
    const session = JSON.parse(await client.call("teleport_session_info"));
    assert.equal(session.cluster, "example.test");
  },
  { proves: ["apps.demo"] },
);

test("secrets reach the server, and no file, log or answer of the cluster", async (context) => {
  const secrets = mkdtempSync(join(tmpdir(), "postern-secrets-"));
  context.cleanup(() => rmSync(secrets, { recursive: true }));
  const secret = { FILE: "sesame-file-4711", COMMAND: "sesame-command-4712" };
  writeFileSync(join(secrets, "file"), `${secret.FILE}\n`);
  writeFileSync(join(secrets, "command"), secret.COMMAND);
  const env = [
    "  env:",
    `    POSTERN_FILE: {file: ${join(secrets, "file")}}`,
    `    POSTERN_COMMAND: {command: [cat, ${join(secrets, "command")}]}`,
  ];
  const guide = await Guide.start(context, {
    sections: appLines("keeper", ...env, "labels: {env: dev}"),
  });
  await guide.tctl(
    "create",
    "-f",
    guide.write(
      "app.yaml",
      JSON.stringify({
        kind: "app",
        version: "v3",
        metadata: { name: "far", labels: { env: "dev" } },
        spec: {
          uri: "mcp+https://mcp.example.com/mcp",
          rewrite: { headers_from: [{ name: "X-Key", file: join(secrets, "file") }] },
        },
      }),
    ),
  );
  await guide.join();
  const client = await guide.open({ app: "keeper" });
  const told = await client.call("get-env");
  for (const value of Object.values(secret)) assert.ok(told.includes(value), "the server has it");
  await client.close();
  await eventually(
    async () => (await guide.tctl("audit", "ls")).includes("mcp.session.end"),
    "the end of the session is in the audit log",
  );
  const printed = await guide.tctl("get", "apps");
  assert.ok(printed.includes(join(secrets, "file")), "a resource says where its secret is");
  await guide.cluster.stop();
  for (const value of Object.values(secret)) {
    assert.deepEqual(filesWith(value, guide.directory), []);
    assert.ok(!printed.includes(value));
  }
}, { proves: ["apps.secrets"] });

test(
  "an app is found by the label that a command tells, and its kind of server is listed",
  async (context) => {
    const guide = await Guide.start(context, {
      sections: appLines(
        "labelled",
        "labels: {env: prod}",
        "commands: [{name: env, command: [echo, dev], period: 1h}]",
      ) + [
        "    - {name: far, uri: 'mcp+https://mcp.example.com/mcp', labels: {env: dev}}",
        "    - {name: old, uri: 'mcp+sse+http://127.0.0.1:1/sse', labels: {env: dev}}",
        "",
      ].join("\n"),
    });
    await guide.join();
    const where = ["-i", guide.identity, "--proxy", guide.cluster.proxy];
    const list = async () => (await guide.run("tsh", "mcp", "ls", ...where)).stdout;
    await eventually(async () => (await list()).includes("labelled"), "the label is known");
    const listed = await list();
    assert.match(listed, /^labelled .*stdio +\[\*\] +env=dev$/m);
    assert.match(listed, /^far .*streamable-http +\[\*\] +env=dev$/m);
    assert.match(listed, /^old .*sse +\[\*\] +env=dev$/m);
    const client = await guide.open({ app: "labelled" });
    assert.equal(await client.call("echo", { message: "hello" }), "Echo: hello");
  },
  { proves: ["apps.labels"] },
);

test("an app resource is created, shown and removed, and the agent follows", async (context) => {
  const guide = await Guide.start(context, { sections: "  resources: [{labels: {'*': '*'}}]\n" });
  await guide.join();
  const where = ["-i", guide.identity, "--proxy", guide.cluster.proxy];
  const list = async () => (await guide.run("tsh", "mcp", "ls", ...where)).stdout;
  guide.write(
    "app.yaml",
    JSON.stringify({
      kind: "app",
      version: "v3",
      metadata: { name: "dynamic", description: "made later", labels: { env: "dev" } },
      spec: { mcp: { command: nodePath(), args: [EVERYTHING], run_as_host_user: currentUser() } },
    }),
  );
  assert.equal(await guide.tctl("create", "app.yaml"), 'application "dynamic" has been created\n');
  await eventually(async () => (await list()).includes("dynamic"), "the agent serves it");
  const client = await guide.open({ app: "dynamic" });
  assert.equal(await client.call("echo", { message: "hello" }), "Echo: hello");
  guide.write("again.yaml", await guide.tctl("get", "app/dynamic"));
  assert.match(await guide.tctl("create", "-f", "again.yaml"), /"dynamic" has been updated/);
  assert.equal(
    await guide.tctl("rm", "app/dynamic"),
    'application "dynamic" has been deleted\n',
  );
  await eventually(async () => !(await list()).includes("dynamic"), "the agent has let it go");
  await eventually(
    () => client.call("echo", { message: "gone" }).then(() => false, () => true),
    "the session has ended",
  );
}, { proves: ["apps.resource"] });
