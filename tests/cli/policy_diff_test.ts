import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "../support/harness.ts";
import { runPolicy } from "../support/policy_command.ts";

const role = (tools: string) =>
  `kind: role
version: v8
metadata: {name: reader}
spec: {allow: {app_labels: {env: dev}, mcp: {tools: ${tools}}}}
`;
const WORLD = `bots:
  - {name: ci, roles: [reader], traits: {team: a}}
apps:
  - {name: files, labels: {env: dev}, tools: [read_a, write_a]}
`;

function setUp(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-diff-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  return {
    file,
    narrow: file("narrow.yaml", role("['read_*']")),
    wide: file("wide.yaml", role("['*']")),
    async run(...args: string[]) {
      const { code, stdout, stderr } = await runPolicy(["diff", ...args]);
      return { code, stdout: stdout + stderr };
    },
  };
}

test("`policy diff` exits with 1 when something new is granted, with 0 when not", async (context) => {
  const { narrow, wide, run } = setUp(context);
  assert.equal((await run(narrow, wide)).code, 1);
  assert.equal((await run(wide, narrow)).code, 0);
  assert.deepEqual(await run(wide, wide), { code: 0, stdout: "No difference\n" });
});

test("`policy diff` names bots, apps and tools where they are known", async (context) => {
  const { narrow, wide, file, run } = setUp(context);
  const { stdout } = await run(narrow, wide, "--world", file("world.yaml", WORLD));
  assert.deepEqual(stdout.split("\n").slice(0, 2), ["ci on files", "  + tool write_a"]);
  assert.ok(!stdout.includes("read_a"), stdout);
  const json = await run(narrow, wide, "--world", file("world.yaml", WORLD), "--format=json");
  const { grants, changes } = JSON.parse(json.stdout);
  assert.equal(grants, true);
  assert.deepEqual(changes.map((c: { name: string }) => c.name), ["write_a"]);
});

test("`policy diff` refuses roles and worlds with mistakes, each with its place", async (context) => {
  const { narrow, file, run } = setUp(context);
  await assert.rejects(run(narrow, file("bad.yaml", role("x"))), { code: "ROLE_INVALID" });
  const world = file("world.yaml", "bots: [{nam: ci}]\napps: {}\n");
  await assert.rejects(run(narrow, narrow, "--world", world), (error: Error) => {
    assert.ok(error.message.includes("world.yaml:1:9: bots[0].nam is not a known field"));
    assert.ok(error.message.includes("bots[0].name is missing"));
    assert.ok(error.message.includes("apps must be a list"));
    return true;
  });
});
