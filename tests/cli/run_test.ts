import assert from "node:assert/strict";
import { createLog } from "../../cli/log.ts";
import { run } from "../../cli/run.ts";
import { visible } from "../../cli/visible.ts";
import { IdentityError } from "../../identity/mod.ts";
import { parseRole } from "../../policy/mod.ts";
import { RelayError } from "../../relay/mod.ts";
import { test } from "../support/harness.ts";

async function runAndThrow(error: unknown, args: readonly string[] = []) {
  let stderr = "";
  const code = await run(() => Promise.reject(error), {
    args,
    stderr: { write: (text) => stderr += text },
  });
  return { code, stderr };
}

test("run() resolves with the program's exit code, or 0", async () => {
  const host = { args: [], stderr: { write: () => assert.fail("nothing is to be said") } };
  assert.equal(await run(() => Promise.resolve(), host), 0);
  assert.equal(await run(() => Promise.resolve(3), host), 3);
});

const failures: [string, Error, number, string][] = [
  [
    "a failure with its code and hint",
    new IdentityError("NOT_FOUND", 'Cannot open app "x": there is none', { hint: "Look at ls" }),
    1,
    'error: Cannot open app "x": there is none [NOT_FOUND]\nhint: Look at ls\n',
  ],
  [
    "a failure without a hint",
    new RelayError("PORT_IN_USE", "Cannot listen on 127.0.0.1:1: it is in use"),
    1,
    "error: Cannot listen on 127.0.0.1:1: it is in use [PORT_IN_USE]\n",
  ],
  [
    "bad input, also when it takes several lines",
    new IdentityError("CONFIG_INVALID", "Cannot use a.yaml\na.yaml:1:1: no", { hint: "Mend it" }),
    2,
    "error: Cannot use a.yaml [CONFIG_INVALID]\n  a.yaml:1:1: no\nhint: Mend it\n",
  ],
  [
    "an unexpected failure",
    new TypeError("x is not a function"),
    1,
    "error: Unexpected failure: x is not a function [INTERNAL]\n" +
    "hint: Run it again with --debug to see where it comes from\n",
  ],
  [
    "what a peer has put into a message",
    new RelayError("PROTOCOL", "It said \x1b[2J\u202e\x07"),
    1,
    "error: It said \\x1b[2J\\u202e\\x07 [PROTOCOL]\n",
  ],
];
for (const [what, error, code, stderr] of failures) {
  test(`run() explains ${what}`, async () => {
    assert.deepEqual(await runAndThrow(error), { code, stderr });
  });
}

test("run() gives every problem of a role a line that begins with its place", async () => {
  const text = "kind: role\nversion: v8\nmetadata: {name: a, nmae: b}\nspec: {allow: {x: 1}}\n";
  const error = await Promise.resolve().then(() => parseRole(text, "role.yaml"))
    .then(() => assert.fail("the role is wrong"), (error: unknown) => error);
  const { code, stderr } = await runAndThrow(error);
  assert.equal(code, 2);
  const lines = stderr.trimEnd().split("\n");
  assert.match(lines[0]!, /^error: role\.yaml:3:21: /);
  assert.match(lines[1]!, /^error: role\.yaml:4:16: /);
  assert.match(lines[2]!, /^hint: /);
  assert.equal(lines.length, 3);
});

test("run() shows where a failure comes from with --debug alone", async () => {
  const cause = new Error("below");
  const error = new IdentityError("UNAVAILABLE", "above", { cause });
  assert.doesNotMatch((await runAndThrow(error)).stderr, /run_test/);
  const { stderr } = await runAndThrow(error, ["start", "--debug"]);
  assert.match(stderr, /above[\s\S]*run_test[\s\S]*below/);
});

test("run() adds nothing to what the command library has said", async () => {
  const commander = (code: string, exitCode: number) =>
    Object.assign(new Error("said already"), { code, exitCode });
  assert.deepEqual(await runAndThrow(commander("commander.unknownOption", 1)), {
    code: 2,
    stderr: "",
  });
  assert.deepEqual(await runAndThrow(commander("commander.helpDisplayed", 0)), {
    code: 0,
    stderr: "",
  });
});

test("run() is quiet when nobody reads the output any more", async () => {
  const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  assert.deepEqual(await runAndThrow(error), { code: 0, stderr: "" });
});

function logged(format: "text" | "json", debug = false) {
  let text = "";
  const now = () => new Date("2026-11-23T12:00:00Z");
  const log = createLog({ write: (line) => text += line, format, debug, now });
  return { log, text: () => text };
}

test("the log writes JSON lines that fields cannot break or overwrite", () => {
  const { log, text } = logged("json");
  log.debug("not shown");
  log.warn("Lost", { app: "a\nb", n: 1, gone: undefined, level: "debug" });
  assert.deepEqual(text().split("\n").slice(0, -1).map((line) => JSON.parse(line)), [
    { app: "a\nb", n: 1, level: "warn", time: "2026-11-23T12:00:00.000Z", message: "Lost" },
  ]);
});

test("neither form of the log has a raw character that deceives who reads it", () => {
  for (const format of ["json", "text"] as const) {
    const { log, text } = logged(format);
    log.warn("C1 \u009b DEL \u007f bidi \u202e width \u200b tag \u{e0041}", { app: "a\u202e" });
    assert.match(text(), /^[\x20-\x7e]+\n$/);
    if (format === "json") assert.equal(JSON.parse(text()).app, "a\u202e");
  }
});

test("the log writes lines for people that fields cannot break", () => {
  const { log, text } = logged("text", true);
  log.debug("Shown", { app: "a\nb c", ok: true, gone: undefined });
  log.error("Bad\x1b[2J");
  assert.equal(
    text(),
    '2026-11-23T12:00:00.000Z DEBUG Shown app="a\\nb c" ok=true\n' +
      "2026-11-23T12:00:00.000Z ERROR Bad\\x1b[2J\n",
  );
});

test("visible() leaves text, tabs and all scripts as they are", () => {
  assert.equal(visible("a\té 漢 עברית 🙂"), "a\té 漢 עברית 🙂");
  assert.equal(visible("\u0000\u007f\u009b\u2028"), "\\x00\\x7f\\x9b\\u2028");
});
