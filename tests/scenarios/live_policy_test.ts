// What the authority changes acts on open sessions, as clients of both eras see it.
import process from "node:process";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { eventually, GUIDE_ROLE, program, within } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import type { TestContext } from "../support/harness.ts";
import { runtimeCommand } from "../support/runtime_command.ts";
import { scenario as test } from "../support/scenario.ts";

const FIXTURE = fileURLToPath(new URL("../fixtures/conformance/main.ts", import.meta.url));
const TOOL = "test_simple_text";
const OTHER = "test_image_content";

const ERAS = [
  // A legacy session is over; a modern one has no state, and so a new one is tried and refused.
  { era: "legacy", mode: "legacy" },
  { era: "2026-07-28", mode: { pin: "2026-07-28" } },
] as const;

/** As the end of the session says it, or, if that came before the call, a new one. */
const LOST =
  /\[MCP_TELEPORT_ERROR\] (?:Access to app ".+" denied\. |Cannot reach the app ".+": .* no role of this identity reaches it\. )/;

/** The SDK's client of either era, which asks for the list anew whenever it is told to. */
async function open(context: TestContext, guide: Guide, mode: typeof ERAS[number]["mode"]) {
  const lists: string[][] = [];
  const client = new Client({ name: "example-client", version: "1.0.0" }, {
    versionNegotiation: { mode },
    listChanged: {
      tools: {
        debounceMs: 0,
        onChanged: (_error, tools) => void lists.push((tools ?? []).map(({ name }) => name)),
      },
    },
  });
  const transport = new StdioClientTransport({
    command: program("tsh"),
    args: guide.connectLine(),
    cwd: guide.directory,
    stderr: "ignore",
  });
  context.cleanup(async () => {
    // Gone before the SDK's close(), which would leave the timer of its wait behind.
    const { pid } = transport;
    if (pid !== null) {
      const gone = new Promise<void>((resolve) => client.onclose = resolve);
      process.kill(pid, "SIGTERM");
      await within(gone, "the bridge to end").catch(() => {});
    }
    await client.close();
  });
  await client.connect(transport);
  return { client, lists };
}

// The SDK's probe of the modern era leaves a timer behind, which fails tests under Deno.
for (const { era, mode } of ERAS) {
  test(
    `${era}: a role edit changes an open session's tools, and lost access ends it with a reason`,
    async (context) => {
      const [command, ...args] = runtimeCommand(FIXTURE, "stdio");
      const guide = await Guide.start(context, { command: [command!, ...args] });
      await guide.join();
      const { client, lists } = await open(context, guide, mode);
      const names = (await client.listTools()).tools.map(({ name }) => name);
      assert.ok(names.includes(TOOL) && names.includes(OTHER));

      guide.write("role.yaml", GUIDE_ROLE.replace("'*'", TOOL));
      await guide.tctl("create", "-f", "role.yaml");
      await eventually(() => lists.length > 0, "the client has read the list anew");
      assert.deepEqual(lists.at(-1), [TOOL]);
      await client.callTool({ name: TOOL, arguments: {} });
      await assert.rejects(client.callTool({ name: OTHER, arguments: {} }), { code: -32602 });

      guide.write("role.yaml", GUIDE_ROLE);
      await guide.tctl("create", "-f", "role.yaml");
      await eventually(() => lists.at(-1)?.includes(OTHER) === true, "the client has it back");
      await client.callTool({ name: OTHER, arguments: {} });

      guide.write(
        "nothing.yaml",
        GUIDE_ROLE.replace("example-role", "nothing").replace("dev", "x"),
      );
      await guide.tctl("create", "nothing.yaml");
      await guide.tctl("bots", "update", "example", "--set-roles", "nothing");
      await assert.rejects(
        within(client.callTool({ name: TOOL, arguments: {} }), "the refusal"),
        LOST,
      );
    },
    { proves: ["role.live"] },
  );
}

test(
  "a lock ends the call in flight and those after it, and the client shows why",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const client = await guide.open();
    const long = { duration: 3600, steps: 1 };
    const call = client.refusal("trigger-long-running-operation", long);
    await client.call("echo", { message: "the call before is in flight" });
    await guide.tctl("lock", "--bot", "example", "--message", "looked at by security");
    const inFlight = await within(call, "the answer to the call in flight");
    const reason = '[MCP_TELEPORT_ERROR] Bot "example" is locked: looked at by security.';
    assert.ok(inFlight.message.includes(reason), inFlight.message);
    assert.match(inFlight.message, /Whether the request had an effect is unknown/);
    const later = await within(client.refusal("echo", { message: "later" }), "a later answer");
    assert.ok(later.message.includes(reason), later.message);
  },
  { proves: ["role.live"] },
);
