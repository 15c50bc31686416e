import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  type App,
  type AppLimits,
  DEFAULT_APP_LIMITS,
  type Log,
  type McpServer,
  silentLog,
} from "../../identity/mod.ts";
import { startStdioServer } from "../../relay/agent/upstream/stdio.ts";
import { RelayError } from "../../relay/error.ts";
import { denoPath } from "../support/cluster_process.ts";
import { test, type TestContext } from "../support/harness.ts";
import { fixtureApp } from "../support/relay_cluster.ts";

function withSettings(settings: Partial<McpServer>): App {
  const app = fixtureApp("fixture");
  return { ...app, mcp: { ...app.mcp!, ...settings } };
}

function scratch({ cleanup }: TestContext): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "postern-settings-")));
  cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** What a server that is started so says of its surroundings. */
async function surroundings(
  app: App,
  log: Log = silentLog,
  limits: Partial<AppLimits> = {},
): Promise<{ env: Record<string, string>; cwd: string }> {
  const answer = Promise.withResolvers<string>();
  const server = await startStdioServer({
    app,
    log,
    appLimits: { ...DEFAULT_APP_LIMITS, ...limits },
  }, {
    onMessage: (line) => answer.resolve(line.toString()),
    onOversized: () => answer.reject(new Error("oversized")),
    onExit: answer.reject,
  });
  try {
    const params = { name: "env" };
    server.send(
      Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })),
    );
    return JSON.parse(JSON.parse(await answer.promise).result.content[0].text);
  } finally {
    await server.close();
  }
}

test("a server has the variables that its app gives it, and no other of the agent's", async (context) => {
  const directory = scratch(context);
  const file = join(directory, "token");
  writeFileSync(file, "from-file\n");
  for (const name of ["POSTERN_TEST_PASS", "POSTERN_TEST_ENV", "POSTERN_TEST_OTHER"]) {
    process.env[name] = `agent ${name}`;
    context.cleanup(() => delete process.env[name]);
  }
  const { env, cwd } = await surroundings(withSettings({
    cwd: directory,
    passEnv: ["POSTERN_TEST_PASS", "POSTERN_TEST_ABSENT"],
    env: {
      PLAIN: { kind: "value", value: "two words" },
      FILE: { kind: "file", path: file },
      ENV: { kind: "env", name: "POSTERN_TEST_ENV" },
      COMMAND: { kind: "command", command: ["echo", "printed"], periodMs: 1_000 },
    },
  }));
  assert.equal(cwd, directory);
  assert.equal(env["POSTERN_TEST_PASS"], "agent POSTERN_TEST_PASS");
  assert.deepEqual(
    [env["PLAIN"], env["FILE"], env["ENV"], env["COMMAND"]],
    ["two words", "from-file", "agent POSTERN_TEST_ENV", "printed"],
  );
  for (const name of ["POSTERN_TEST_ABSENT", "POSTERN_TEST_ENV", "POSTERN_TEST_OTHER"]) {
    assert.equal(env[name], undefined, name);
  }
});

test("a server whose secret is not there is not started, and the peer is not told of what", async () => {
  const logged: string[] = [];
  const log = {
    ...silentLog,
    error: (text: string, fields?: object) => {
      logged.push(`${text} ${JSON.stringify(fields)}`);
    },
  };
  const app = withSettings({ env: { TOKEN: { kind: "file", path: "/no/such/place" } } });
  await assert.rejects(surroundings(app, log), (error: unknown) => {
    assert.ok(error instanceof RelayError);
    assert.equal(error.code, "VALUE_UNAVAILABLE");
    assert.equal(error.message, 'The variable "TOKEN" of app "fixture" has no value');
    return true;
  });
  assert.match(logged.join(), /\/no\/such\/place: ENOENT/);
});

test("a server whose directory is not there fails by that name", async () => {
  await assert.rejects(surroundings(withSettings({ cwd: "/no/such/place" })), (error: unknown) => {
    assert.ok(error instanceof RelayError);
    assert.equal(error.code, "SERVER_START_FAILED");
    assert.match(error.message, /its directory does not exist/);
    return true;
  });
});

for (const limits of [{}, { serverOpenFiles: 256 }]) {
  const limited = "serverOpenFiles" in limits ? ", with a limit on open files" : "";
  test(`a command by a relative path is looked for in the app's directory${limited}`, async (context) => {
    const directory = scratch(context);
    const fixture = fixtureApp("fixture").mcp!;
    const script = ["#!/bin/sh", 'exec "$@"', ""].join("\n");
    writeFileSync(join(directory, "start.sh"), script, { mode: 0o755 });
    const app = withSettings({
      command: "./start.sh",
      args: [fixture.command, ...fixture.args],
      cwd: directory,
    });
    const { cwd } = await surroundings(app, silentLog, limits);
    assert.equal(cwd, directory);
  });
}

test("where Deno may not start the command, the flag that allows it is named", (context) => {
  const script = join(scratch(context), "start.ts");
  const module = new URL("../../relay/agent/upstream/stdio.ts", import.meta.url).href;
  const app = JSON.stringify(fixtureApp("fixture"));
  writeFileSync(
    script,
    `const { startStdioServer } = await import(${JSON.stringify(module)});
     await startStdioServer({ app: ${app}, log: { debug() {}, warn() {} } }, {}).catch(
       (error) => console.log(error.code, error.hint));`,
  );
  const flags = ["run", "--no-check", "--no-prompt", "--allow-read", "--allow-env", "--allow-sys"];
  const { stdout, stderr } = spawnSync(denoPath(), [...flags, script], { encoding: "utf8" });
  assert.match(stdout, /^SERVER_START_FAILED Run the agent with --allow-run=node\n$/, stderr);
});
