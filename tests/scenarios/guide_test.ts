// The guide's own steps, on the compiled programs, with a real server and a real client.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  ClusterProcess,
  eventually,
  GUIDE_ROLE,
  NARROW_ROLE,
  pinIn,
  RunningProgram,
  runProgram,
  tokenIn,
} from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import { scenarioOnBoth as test } from "../support/scenario.ts";
import { McpClient } from "../support/mcp_client.ts";

test("the guide's lines work one after the other", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "postern-scenario-"));
  context.cleanup(() => rmSync(directory, { recursive: true, force: true }));
  const cluster = await ClusterProcess.create(directory);
  context.cleanup(() => cluster.stop());
  await cluster.start();
  const guide = Guide.of(context, cluster, pinIn((await cluster.tctl(["status"])).stdout));

  guide.write("role.yaml", GUIDE_ROLE);
  assert.equal(
    await guide.tctl("create", "-f", "role.yaml"),
    'role "example-role" has been created\n',
  );
  const added = await guide.tctl("bots", "add", "example");
  await guide.tctl("bots", "update", "example", "--add-roles", "example-role");
  assert.match(await guide.tctl("bots", "ls"), /example .*example-role/);

  await guide.writeBotFile({ token: tokenIn(added) });
  const { code, stderr } = await guide.run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
  assert.equal(code, 0, stderr);
  assert.equal(statSync(guide.identity).mode & 0o777, 0o600);

  const client = await guide.open();
  assert.ok((await client.tools()).includes("echo"));
  assert.equal(await client.call("echo", { message: "hello" }), "Echo: hello");
  await client.close();

  const audit = await guide.tctl("audit", "ls");
  for (const event of ["role.created", "bot.create", "bot.join", "mcp.session.start"]) {
    assert.ok(audit.includes(event), `${event} is not in:\n${audit}`);
  }
  await eventually(
    async () => (await guide.tctl("audit", "ls")).includes("mcp.session.end"),
    "the end of the session is in the audit log",
  );
  assert.match(await guide.tctl("audit", "ls"), /mcp\.session\.request/);
}, {
  proves: ["guide.role", "guide.bot", "guide.tbot", "guide.connect", "guide.audit"],
});

test("the port answers the guide's curl line with the version", async (context) => {
  const { cluster } = await Guide.start(context);
  const { hostname, port } = new URL(`https://${cluster.proxy}`);
  const answer = await new Promise<string>((resolve, reject) => {
    request({
      host: hostname,
      port,
      path: "/v1/webapi/find",
      agent: false,
      rejectUnauthorized: false,
      servername: "",
    }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      response.on("end", () => resolve(text));
    }).on("error", reject).end();
  });
  assert.match(JSON.parse(answer).server_version, /^\d+\.\d+\.\d+$/);
}, { proves: ["guide.find"] });

test("`tsh mcp ls` and `tsh mcp config` say what a client needs", async (context) => {
  const guide = await Guide.start(context);
  await guide.join();
  const where = ["-i", guide.identity, "--proxy", guide.cluster.proxy];
  const { code, stdout } = await guide.run("tsh", "mcp", "ls", ...where);
  assert.equal(code, 0);
  assert.match(stdout, /^my-mcp-server .*stdio +\[\*\] +env=dev$/m);
  const toolsNow = async () => {
    const listed = await guide.run("tsh", "mcp", "ls", "-f", "json", ...where);
    return JSON.parse(listed.stdout)[0].permissions.mcp.tools;
  };
  await guide.allow("[echo, 'get-*']");
  const tools = { allowed: ["echo", "get-*"], denied: [] };
  assert.deepEqual(await toolsNow(), { ...tools, byRole: [{ role: "example-role", ...tools }] });
  await guide.allow("[]");
  const none = await guide.run("tsh", "mcp", "ls", ...where);
  assert.match(none.stdout, /\(none\) \[!\] +env=dev\n\n\[!\] No role allows/);
  await guide.allow("['*']");

  const printed = await guide.run("tsh", "mcp", "config", ...where, APP);
  const { mcpServers } = JSON.parse(printed.stdout);
  const { command, args } = mcpServers[`teleport-mcp-${APP}`];
  const file = guide.write("mcp.json", '{"mcpServers":{"other":{"command":"x"}},"more":1}');
  const updated = await guide.run("tsh", "mcp", "config", ...where, "--client-config", file, APP);
  const end =
    `Updated client configuration at:\n${file}\nThe one before is at:\n${file}.postern.bak\n`;
  assert.ok(updated.stdout.endsWith(end), updated.stdout);
  // What changes is shown, as `diff` would.
  assert.match(updated.stdout, /^\+ +"teleport-mcp-my-mcp-server": \{$/m);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
    mcpServers: { other: { command: "x" }, ...mcpServers },
    more: 1,
  });
  guide.write("mcp.json", "{ // mine\n}");
  const refused = await guide.run("tsh", "mcp", "config", ...where, "--client-config", file, APP);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /comments \[CONFIG_INVALID\]\nhint: /);
  assert.equal(readFileSync(file, "utf8"), "{ // mine\n}");
  // From anywhere: a client starts its servers in a folder of its own.
  const client = await McpClient.open({ command, args, cwd: tmpdir() });
  context.cleanup(() => client.close());
  assert.equal(await client.call("echo", { message: "pasted" }), "Echo: pasted");
}, { proves: ["guide.ls", "guide.config"] });

test(
  "a narrower role acts on an open session: the tool is gone, and calls of it are refused",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const client = await guide.open();
    assert.ok((await client.tools()).includes("get-env"));

    guide.write("role.yaml", NARROW_ROLE);
    await guide.tctl("create", "-f", "role.yaml");
    await eventually(() => client.listChanges > 0, "the client hears that the tools have changed");
    const tools = await client.tools();
    assert.ok(tools.includes("echo") && tools.includes("get-sum"));
    assert.ok(!tools.includes("get-env"));
    assert.ok(tools.every((name) => name === "echo" || name.startsWith("get-")), tools.join());

    assert.equal((await client.refusal("get-env")).code, -32602);
    assert.equal(await client.call("echo", { message: "still" }), "Echo: still");
    assert.match(await guide.tctl("audit", "ls"), /get-env/);
  },
  { proves: ["role.narrow", "role.refuse"] },
);

test("a cluster that was killed starts again with everything kept", async (context) => {
  const guide = await Guide.start(context);
  await guide.join();
  await guide.cluster.agent.kill();
  await guide.cluster.start();
  assert.equal(pinIn(await guide.tctl("status")), guide.pin);
  assert.match(await guide.tctl("bots", "ls"), /example .*example-role/);
  const client = await guide.open();
  assert.equal(await client.call("echo", { message: "again" }), "Echo: again");
}, { proves: ["cluster.restart"] });

test("the data directory is its owner's alone", async (context) => {
  const guide = await Guide.start(context);
  assert.equal(statSync(join(guide.directory, "data")).mode & 0o777, 0o700);
}, { proves: ["cluster.data_dir"] });

test("tctl works while nothing runs, and the cluster knows what it was told", async (context) => {
  const guide = await Guide.start(context);
  assert.equal(await guide.cluster.agent.stop(), 0);
  await guide.tctl("bots", "add", "offline", "--roles", "example-role");
  await guide.cluster.start();
  assert.match(await guide.tctl("bots", "ls"), /offline/);
}, { proves: ["cluster.offline_tctl"] });

test("tbot goes on running and renews the identity when it is told to", async (context) => {
  const guide = await Guide.start(context);
  await guide.writeBotFile();
  const tbot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], { cwd: guide.directory });
  context.cleanup(() => tbot.kill());
  const current = () => {
    try {
      return readFileSync(guide.identity, "utf8");
    } catch {
      return "";
    }
  };
  await tbot.until(() => current() !== "", "it had written the identity");
  const first = current();
  process.kill(tbot.pid, "SIGHUP");
  await tbot.until(() => ![first, ""].includes(current()), "it had renewed the identity");
  assert.equal(await tbot.stop("SIGINT"), 0);
}, { proves: ["tbot.daemon"] });

test("the programs run with an empty PATH and no settings", async () => {
  for (const name of ["tbot", "tsh", "tctl", "app-agent"] as const) {
    const { code, stdout } = await runProgram(name, ["version"], { cwd: tmpdir(), env: {} });
    assert.equal(code, 0, name);
    assert.match(stdout, /\d+\.\d+\.\d+/);
  }
});
