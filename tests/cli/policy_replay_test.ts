// Recorded events in the hands of `policy explain` and `policy diff`.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "../support/harness.ts";
import { runPolicy } from "../support/policy_command.ts";

const role = (tools: string, more = "") =>
  `kind: role
version: v8
metadata: {name: reader}
spec:
  allow:
    app_labels: {team: '{{external.team}}'}
    mcp: {tools: ${tools}}
${more}`;

const START = {
  type: "mcp.session.start",
  sid: "s1",
  bot_name: "ci",
  user_roles: ["reader"],
  bot_traits: { team: ["a"] },
  app_name: "files",
  app_labels: { team: "a" },
};

function call(id: string, tool: string, effect: "allow" | "deny", more = {}) {
  return {
    type: "mcp.session.request",
    time: `2026-11-23T12:00:0${id}Z`,
    sid: "s1",
    decision_id: id,
    decision: { effect },
    tool,
    message: { params: { name: tool, arguments: {} } },
    ...more,
  };
}

const EVENTS = [
  call("1", "read_a", "allow"),
  // The order of events is not that of time.
  START,
  call("2", "read_a", "allow"),
  call("3", "write_a", "deny"),
  call("4", "read_b", "allow", {
    message: { params: { name: "read_b", arguments: { path: "hmac-sha256:00" } } },
  }),
  call("5", "read_a", "allow", { sid: "another" }),
  { type: "mcp.session.end", sid: "s1" },
  { type: "bot.join" },
];

function setUp(context: TestContext, events: readonly unknown[] = EVENTS) {
  const root = mkdtempSync(join(tmpdir(), "postern-replay-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  return {
    file,
    lines: file("audit.jsonl", events.map((event) => `${JSON.stringify(event)}\n`).join("")),
    list: file("audit.json", JSON.stringify(events, undefined, 2)),
    old: file("old.yaml", role("[read_*]")),
    now: file("new.yaml", role("['*_a']", "  deny:\n    mcp: {tools: ['read_a']}\n")),
  };
}

test("`policy diff --replay` says which recorded calls would be decided differently", async (context) => {
  const { old, now, lines, list } = setUp(context);
  for (const events of [lines, list]) {
    const { code, stdout } = await runPolicy(["diff", old, now, "--replay", events]);
    assert.equal(code, 1);
    const report = stdout.slice(stdout.indexOf("4 of 4 recorded"));
    assert.match(report, /^4 of 4 recorded calls would be decided differently$/m);
    assert.match(
      report,
      /- bot-ci on files: call tool read_a, 2 times, last 2\n +before: Allowed .*\n +after: +Denied by/,
    );
    assert.match(report, /\+ bot-ci on files: call tool write_a, once, last 3\n/);
    assert.match(report, /- bot-ci on files: call tool read_b, once, last 4\n/);
    assert.match(report, /^1 calls left out: the start of their session is not there$/m);
  }
  const json = JSON.parse(
    (await runPolicy(["diff", old, now, "--replay", lines, "--format=json"])).stdout,
  );
  assert.equal(json.replay.replayed, 4);
  assert.equal(json.replay.orphans, 1);
  const same = await runPolicy(["diff", old, old, "--replay", lines]);
  assert.match(same.stdout, /^0 of 4 recorded calls/m);
});

test("`policy diff --replay` does not judge by arguments that were redacted, or by pins", async (context) => {
  const { old, file, lines } = setUp(context);
  const where = file("where.yaml", role(`[{name: 'read_*', where: 'arguments.path == ""'}]`));
  const replay = async (after: string) =>
    JSON.parse((await runPolicy(["diff", old, after, "--replay", lines, "--format=json"])).stdout)
      .replay;
  const judged = await replay(where);
  assert.deepEqual([judged.replayed, judged.unknown, judged.differences], [3, 1, []]);
  const pinned = await replay(
    file("pin.yaml", role(`[{name: 'read_*', sha256: ${"ab".repeat(32)}}]`)),
  );
  assert.deepEqual([pinned.replayed, pinned.unknown], [1, 3]);
});

test("`policy diff --replay` does not judge by names that were redacted", async (context) => {
  const name = `hmac-sha256:${"0".repeat(64)}`;
  const { old, now, lines } = setUp(context, [START, call("1", name, "allow")]);
  const { stdout } = await runPolicy(["diff", old, now, "--replay", lines, "--format=json"]);
  const { replayed, unknown } = JSON.parse(stdout).replay;
  assert.deepEqual([replayed, unknown], [0, 1]);
});

test("a role that its bot had and that is gone closes the app in a replay", async (context) => {
  const { old, file, lines } = setUp(context);
  const other = file("other.yaml", role("['*']").replace("name: reader", "name: other"));
  const { stdout } = await runPolicy(["diff", old, other, "--replay", lines]);
  assert.match(stdout, /after: +role "reader" does not exist/);
});

test("`policy explain ID --audit` puts a recorded decision to today's roles", async (context) => {
  const { old, now, lines } = setUp(context);
  const same = await runPolicy(["explain", "3", "--audit", lines, "--role", old]);
  assert.match(
    same.stdout,
    /^At 2026-11-23T12:00:03Z bot-ci was denied this on files\n\nTo call tool write_a/,
  );
  assert.match(
    same.stdout,
    /^To allow it: add "write_a" to spec\.allow\.mcp\.tools of role "reader"/m,
  );
  const turned = await runPolicy(["explain", "3", "--audit", lines, "--role", now]);
  assert.match(turned.stdout, /^Today's roles decide it otherwise: Allowed by role "reader"/m);
  const redacted = await runPolicy(["explain", "4", "--audit", lines, "--role", old]);
  assert.match(redacted.stdout, /^The log has not kept all arguments/m);
  for (const id of ["5", "9"]) {
    await assert.rejects(runPolicy(["explain", id, "--audit", lines, "--role", old]), {
      code: "BAD_REQUEST",
    });
  }
  await assert.rejects(runPolicy(["explain", "3", "--role", old]), (error: Error) => {
    assert.match(error.message, /Cannot look at a cluster from here/);
    return true;
  });
});

for (
  const [what, text] of [["a list that is none", "[{"], [
    "a line that is no event",
    '{}\n"x"\n',
  ]] as const
) {
  test(`a file of events with ${what} is refused, with its place`, async (context) => {
    const { old, file } = setUp(context);
    const path = file("bad.json", text);
    await assert.rejects(runPolicy(["diff", old, old, "--replay", path]), (error: Error) => {
      assert.match(error.message, text.startsWith("[") ? /bad\.json: / : /bad\.json:2: /);
      return true;
    });
  });
}

const WORLD = `bots:
- {name: ci, roles: [reader], traits: {team: [a]}}
- {name: other, roles: []}
apps:
- {name: files, labels: {team: a}, tools: [read_a, write_a]}
`;

test("`policy explain` takes bots, apps and tools from a file", async (context) => {
  const { old, file } = setUp(context);
  const world = file("world.yaml", WORLD);
  const explain = (...args: string[]) =>
    runPolicy(["explain", "--role", old, "--world", world, "--app", "files", ...args]);
  const { stdout } = await explain("--bot", "ci");
  const [, , first, second] = stdout.split("\n");
  assert.match(first ?? "", /^read_a +allow +reader /);
  assert.match(
    second ?? "",
    /^write_a +deny: no_match +reader opens the app; not matched by "read_\*"/,
  );
  const other = await explain("--bot", "other", "--tool", "read_a");
  assert.match(other.stdout, /Denied: no role allows it/);
  const tools = file("tools.json", '{"tools": [{"name": "read_z"}, {"name": "zap"}]}');
  const listed = await explain("--bot", "ci", "--tools", tools);
  assert.match(listed.stdout, /^read_z +allow/m);
  assert.match(listed.stdout, /^zap +deny/m);
});

test("`policy lint` takes bots, apps and tools from a file", async (context) => {
  const { old, file } = setUp(context);
  const world = file("world.yaml", WORLD);
  assert.equal((await runPolicy(["lint", old, "--world", world])).code, 0);
  const wide = file("wide.yaml", role("[read_*, delete_*]").replaceAll("team:", "tem:"));
  const { stdout } = await runPolicy(["lint", wide, "--world", world]);
  assert.match(stdout, /No app has a label "tem" \[unknown-label\]/);
  assert.match(stdout, /No server offers a tool that "delete_\*" matches \[unknown-tool\]/);
  const unheld = file("unheld.yaml", role("[read_*]").replace("name: reader", "name: spare"));
  assert.match(
    (await runPolicy(["lint", unheld, "--world", world])).stdout,
    /No bot holds role "spare"/,
  );
  await assert.rejects(runPolicy(["lint"]), { code: "BAD_REQUEST" });
});
