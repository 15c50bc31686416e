/** The ways to the fixture: directly, and through the compiled programs. */
import { fileURLToPath } from "node:url";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { program, RunningProgram } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import type { TestContext } from "../support/harness.ts";
import { runtimeCommand } from "../support/runtime_command.ts";
import { startFront } from "./front.ts";

const FIXTURE = fileURLToPath(new URL("../fixtures/conformance/main.ts", import.meta.url));

/** The fixture's own URL, with nothing between. */
export async function directly(context: TestContext): Promise<string> {
  const fixture = new StdioPeer(runtimeCommand(FIXTURE, "http"));
  context.cleanup(() => {
    fixture.kill();
    return fixture.exit;
  });
  return await fixture.until(() => fixture.lines[0]?.toString(), "the fixture has a URL");
}

/** A front before the fixture's stdio side: what differs here is not Postern's doing. */
export async function throughFront(context: TestContext): Promise<string> {
  return await front(context, runtimeCommand(FIXTURE, "stdio"));
}

/** A front before `tsh mcp connect`, then the relay, the agent, and the fixture by stdio. */
export async function throughStdio(context: TestContext): Promise<string> {
  return await relayed(context, { command: runtimeCommand(FIXTURE, "stdio") });
}

/** The same, with the fixture behind streamable HTTP. */
export async function throughHttp(context: TestContext): Promise<string> {
  return await relayed(context, { uri: `mcp+${await directly(context)}` });
}

/** The same, with the fixture behind HTTP with server-sent events, which is of the legacy era. */
export async function throughSse(context: TestContext): Promise<string> {
  const url = (await directly(context)).replace(/\/mcp$/, "/sse");
  return await relayed(context, { uri: `mcp+sse+${url}` });
}

/** A tunnel of tbot's in place of front and bridge, before a server by stdio. */
export async function throughTunnel(context: TestContext): Promise<string> {
  const guide = await Guide.start(context, { command: runtimeCommand(FIXTURE, "stdio") });
  const args = ["--listen=tcp://127.0.0.1:0", "--storage=memory://", `--app=${APP}`];
  const tbot = new RunningProgram("tbot", [
    "start",
    "application-tunnel",
    ...args,
    `--proxy-server=${guide.cluster.proxy}`,
    `--ca-pin=${guide.pin}`,
    `--token=${await guide.token()}`,
    "--log-format=json",
  ], { cwd: guide.directory });
  context.cleanup(() => tbot.stop());
  const fresh = '"the bot\'s identity is fresh"';
  await tbot.until(() => tbot.stderr.includes(fresh), "it had an identity");
  return /"url":"(http:[^"]+)"/.exec(tbot.stderr)?.[1] ?? "";
}

async function relayed(
  context: TestContext,
  options: Parameters<typeof Guide.start>[1],
): Promise<string> {
  const guide = await Guide.start(context, options);
  await guide.join();
  return await front(context, [program("tsh"), ...guide.connectLine()]);
}

async function front(context: TestContext, command: readonly string[]): Promise<string> {
  const { url, close } = await startFront(command);
  context.cleanup(close);
  return url;
}
