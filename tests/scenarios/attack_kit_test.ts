// Every row of the attack kit on the compiled path, and the kit itself where nothing is in its way.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ALLOWED, HTTP_ROWS, rawControls, ROWS, runKit } from "../../tools/attack_kit/run.ts";
import { type HttpKitOptions, readHttpRows, runHttpKit } from "../../tools/attack_kit/http_rows.ts";
import { readRows } from "../../tools/attack_kit/rows.ts";
import { nodePath, program } from "../support/cluster_process.ts";
import { listening } from "../support/listening.ts";
import { APP, Guide } from "../support/guide.ts";
import { test as plain } from "../support/harness.ts";
import { runtimeCommand } from "../support/runtime_command.ts";
import { scenario as test } from "../support/scenario.ts";

const SERVER = fileURLToPath(new URL("../../tools/attack_kit/server.mjs", import.meta.url));
const rows = readRows(ROWS);

/** Does no harm without a gateway either: what it asks is that one serves on. */
const HARMLESS = ["flood-of-notifications"];

/** What these ask of a gateway is that it serves on, as one without a care in the world may. */
const EXHAUSTING = ["session-id-with-controls", "event-without-an-end", "fields-without-an-end"];

/** The kit's server over stdio: a new one for each session, and no tool has pages of its own. */
const STDIO = [nodePath(), SERVER] as const;

/** Harm that needs a gateway to be done, since a client over stdio writes no headers. */
const OVER_HTTP = ["header-mismatch", "poisoned-http"];

/** The gateway knows of definitions and of resources. */
const ALL = { pinned: true, resources: true };

/** The end of a role: what it denies, beside tools. */
const DENIED = `
  deny:
    mcp:
      resources: ["file:///kit/secret"]`;

for (const upstream of ["stdio", "http"] as const) {
  test(
    `no row of the attack kit gets anywhere, and none keeps a plain call from being served: ${upstream}`,
    async (context) => {
      const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
      context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
      const guide = await Guide.start(
        context,
        upstream === "stdio"
          ? { command: [...STDIO, record] }
          : { uri: `mcp+http://${await listening([...STDIO, record, "http"], context)}/mcp` },
      );
      const tools: { tool: { name: string }; sha256: string }[] = JSON.parse(
        await guide.tctl("mcp", "tools", APP, "--format=json"),
      );
      const pin = tools.find(({ tool }) => tool.name === "kit_pinned")!.sha256;
      const names = ALLOWED.filter((name) => name !== "kit_pinned");
      const allowed = `[${names.join(", ")}, {name: kit_pinned, sha256: ${pin}}]`;
      await guide.allow(`${allowed}\n      resources: ["file:///*", "FILE:///*"]${DENIED}`);
      await guide.join();
      const { identity, cluster } = guide;
      const line = ["mcp", "connect", "-i", identity, "--proxy", cluster.proxy, APP];
      const command = [program("tsh"), ...line];
      const verdicts = await runKit({ command, record, rows, upstream, ...ALL });
      assert.deepEqual(verdicts.filter(({ problems }) => problems.length > 0), []);
      const others = rows.filter((row) => row.upstream !== "any" && row.upstream !== upstream);
      assert.equal(verdicts.length, rows.length - others.length);

      // What rows have put into names and messages reaches no terminal and no log raw.
      const log = readFileSync(join(guide.directory, "app-agent.log"), "utf8");
      assert.deepEqual(rawControls(log), []);
      for (const command of ["audit ls", "audit ls --format=json"]) {
        const text = await guide.tctl(...command.split(" "));
        assert.match(text, /kit_denied/);
        assert.deepEqual(rawControls(text), [], command);
      }
    },
    { proves: ["gate.attack_kit"] },
  );
}

plain(
  "the attack kit finds each row's harm where no gateway is in its way",
  async (context) => {
    const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
    context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
    const verdicts = await runKit({ command: [...STDIO, record], record, rows, ...ALL });
    const held = verdicts.filter(({ problems }) => problems.length === 0).map(({ id }) => id);
    assert.deepEqual(held, HARMLESS);
  },
);

plain(
  "the attack kit finds each row's harm where a careless gateway speaks HTTP to the server",
  async (context) => {
    const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
    context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
    const server = await listening([...STDIO, record, "http"], context);
    const gateway = fileURLToPath(
      new URL("../../tools/attack_kit/careless_gateway.mjs", import.meta.url),
    );
    const command = [nodePath(), gateway, `http://${server}/mcp`];
    const http = rows.filter(({ category, id }) =>
      OVER_HTTP.includes(category) && !EXHAUSTING.includes(id)
    );
    const verdicts = await runKit({ command, record, rows: http, upstream: "http" });
    const held = verdicts.filter(({ problems }) => problems.length === 0).map(({ id }) => id);
    assert.deepEqual(held, []);
  },
);

plain(
  "each row for gateways over HTTP is refused by the common SDK, and let through by the kit's server",
  async (context) => {
    const fixture = fileURLToPath(new URL("../fixtures/conformance/main.ts", import.meta.url));
    const record = join(mkdtempSync(join(tmpdir(), "postern-kit-")), "record");
    context.cleanup(() => rmSync(join(record, ".."), { recursive: true }));
    const rows = readHttpRows(HTTP_ROWS);
    const failing = async (address: string, options: Partial<HttpKitOptions>) => {
      const verdicts = await runHttpKit({ url: `http://${address}/mcp`, rows, ...options });
      return verdicts.filter(({ problems }) => problems.length > 0).map(({ id }) => id);
    };
    const sdk = await listening(runtimeCommand(fixture, "http"), context);
    assert.deepEqual(await failing(sdk, { tool: "test_simple_text" }), []);
    const careless = await listening([...STDIO, record, "http"], context);
    assert.deepEqual(await failing(careless, { record }), rows.map(({ id }) => id));
  },
);
