// tbot's services for one app, on the compiled programs: files for tsh, a port for HTTP clients.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { eventually, RunningProgram } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "an MCP client that speaks HTTP needs a tunnel of tbot's and no credential, also over a reload",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.allow("['echo']");
    const token = await guide.token();
    const configure = (first: string) =>
      guide.write(
        "tbot.yaml",
        `version: v2
proxy_server: ${guide.cluster.proxy}
onboarding: {join_method: token, token: ${token}, ca_pins: ["${guide.pin}"]}
storage: {type: directory, path: bot}
services:
- ${first}
- type: application-tunnel
  app_name: ${APP}
  listen: tcp://127.0.0.1:0
`,
      );
    configure(`{type: application, app_name: ${APP}, destination: {type: directory, path: app}}`);
    const tbot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], { cwd: guide.directory });
    context.cleanup(() => tbot.stop());
    const written = () => tbot.stderr.split('"identity written"').length - 1;
    await tbot.until(() => written() === 1, "it had written the application");

    const line = ["mcp", "ls", "-i", join("app", "identity"), "--proxy", guide.cluster.proxy];
    const listed = await guide.run("tsh", ...line);
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, new RegExp(APP));

    const url = /"url":"(http:[^"]+)"/.exec(tbot.stderr)?.[1] ?? "";
    const client = new Client({ name: "test", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    context.cleanup(() => client.close());
    assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ["echo"]);
    const echo = async (message: string) => {
      const { content } = await client.callTool({ name: "echo", arguments: { message } });
      return (content as { text: string }[])[0]?.text;
    };
    assert.equal(await echo("a"), "Echo: a");
    await assert.rejects(client.callTool({ name: "get-env", arguments: {} }), { code: -32602 });

    // Another service in place of the first one: the tunnel and its session go on.
    configure("{type: identity, destination: {type: directory, path: whole}}");
    process.kill(tbot.pid, "SIGHUP");
    const whole = join(guide.directory, "whole", "identity");
    await tbot.until(() => existsSync(whole), "it had written what is new in its file");
    assert.equal(await echo("b"), "Echo: b");
    configure("{type: identiti}");
    process.kill(tbot.pid, "SIGHUP");
    await tbot.until(() => tbot.stderr.includes("Cannot reload"), "it had said what is wrong");
    assert.equal(await echo("c"), "Echo: c");
    configure("{type: identity, destination: {type: directory, path: whole}}");
    const before = statSync(whole).mtimeMs;
    process.kill(tbot.pid, "SIGHUP");
    await tbot.until(() => statSync(whole).mtimeMs > before, "it had renewed");
    assert.equal(await echo("d"), "Echo: d");

    let instances = "";
    await eventually(async () => {
      instances = await guide.tctl("bots", "instances", "ls");
      return / healthy\n/.test(instances);
    }, "the authority had heard that the bot is well");
    const instance = /example\/[0-9a-f]{32}/.exec(instances)?.[0] ?? "";
    const shown = await guide.tctl("bots", "instances", "show", instance);
    assert.match(shown, /^Service +application-tunnel-2: healthy$/m);
    assert.match(shown, /^Service +identity-1: healthy$/m);
    assert.doesNotMatch(shown, /application-1/);

    assert.match(await guide.tctl("audit", "ls"), new RegExp(`mcp\\.session\\.start.*${APP}`));
  },
  { proves: ["tbot.tunnel", "tbot.application"] },
);
