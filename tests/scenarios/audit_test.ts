// The audit log of the compiled app-agent: chained, signed, redacted, and checked offline.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "an exported log is found to be whole, and whatever is done to it is found at its place",
  async (context) => {
    const guide = await Guide.start(context, {
      sections: `audit:
  mode: strict
  redact: ["$.params.arguments.message"]
`,
    });
    await guide.join();
    const client = await guide.open();
    await client.call("echo", { message: "the secret" });
    await client.call("echo", { message: "the secret" });
    await client.call("echo", { message: "another" });
    await client.close();
    await eventually(
      async () => (await guide.tctl("audit", "ls")).includes("mcp.session.end"),
      "the end of the session is in the log",
    );
    assert.match(await guide.tctl("audit", "verify"), /\nThe log is whole\n$/);

    const exported = await guide.tctl("audit", "export");
    const log = guide.write("audit.jsonl", exported);
    const key = guide.write("audit.key", await guide.tctl("audit", "key"));
    // deno-lint-ignore no-explicit-any
    const events: any[] = exported.trim().split("\n").map((line) => JSON.parse(line));
    const start = events.find(({ type }) => type === "mcp.session.start");
    assert.deepEqual(start.client_info, { name: "example-client", version: "1.0.0" });
    assert.equal(start.server_info.name, "mcp-servers/everything");
    assert.match(start.protocol_version, /^20\d\d-\d\d-\d\d$/);
    const digests = events.filter(({ tool, type }) =>
      tool === "echo" && type === "mcp.session.request"
    )
      .map(({ message }) => message.params.arguments.message);
    assert.match(digests[0], /^hmac-sha256:[0-9a-f]{64}$/);
    assert.equal(digests[0], digests[1]);
    assert.notEqual(digests[0], digests[2]);
    assert.ok(!exported.includes("the secret"));
    const spool = readFileSync(join(guide.directory, "data", "audit.spool"), "latin1");
    assert.ok(!spool.includes("the secret"));
    const answered = events.find(({ type, tool }) =>
      type === "mcp.session.response" && tool === "echo"
    );
    assert.ok(answered.latency_ms > 0);

    const verify = () => guide.cluster.tctl(["audit", "verify", log, "--key", key]);
    assert.equal((await verify()).code, 0);
    const lines = exported.split("\n");
    const at = events.findIndex(({ tool }) => tool === "echo");
    lines[at] = lines[at]!.replace('"echo"', '"ehco"');
    writeFileSync(log, lines.join("\n"));
    const changed = await verify();
    assert.equal(changed.code, 1);
    assert.match(
      changed.stdout,
      new RegExp(`^changed at record ${at + 1} \\(${events[at].uid}`, "m"),
    );
    const heads = exported.split("\n").filter((line) => line.includes('"audit.head"'));
    writeFileSync(log, [...exported.split("\n").slice(0, 3), ...heads].join("\n"));
    assert.match((await verify()).stdout, /^cut at record 3 /m);
  },
  { proves: ["audit.chain", "audit.redact"] },
);

test(
  "kill -9 of app-agent leaves a log that is whole, and the next start goes on with it",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    const client = await guide.open();
    await client.call("echo", { message: "one" });
    await guide.cluster.agent.kill();
    await client.close().catch(() => {});
    // While nothing runs, tctl takes over what was on its way, and goes on with the chain itself.
    assert.match(await guide.tctl("audit", "verify"), /\nThe log is whole\n$/);
    assert.match(await guide.tctl("audit", "ls"), /mcp\.session\.request/);
    await guide.tctl("bots", "add", "other", "--roles", "example-role");
    await guide.cluster.start();
    const again = await guide.open();
    await again.call("echo", { message: "two" });
    await again.close();
    const verified = await guide.tctl("audit", "verify");
    assert.match(verified, /^ {2}chain [0-9a-f]{8}: 1 to \d+, signed up to \d+$/m);
    assert.match(verified, /\nThe log is whole\n$/);
  },
  { proves: ["audit.crash"] },
);

test(
  "a strict cluster whose log cannot be written says so and does not start",
  async (context) => {
    const guide = await Guide.start(context, { sections: "audit: {mode: strict}\n" });
    await guide.cluster.stop();
    const spool = join(guide.directory, "data", "audit.spool");
    rmSync(spool);
    symlinkSync("/dev/full", spool);
    const { code, stdout, stderr } = await guide.run("app-agent", "start", "-c", "teleport.yaml");
    assert.notEqual(code, 0);
    assert.ok(!stdout.includes(" is ready"), stdout);
    assert.match(stderr, /error: The audit spool cannot be written: ENOSPC \[AUDIT_UNAVAILABLE\]/);
  },
  { skip: existsSync("/dev/full") ? false : "there is no /dev/full" },
);
