import assert from "node:assert/strict";
import plugin, { judgeImport, mayNameRuntime, placeOf } from "../../tools/lint_plugin.ts";
import { test } from "../support/harness.ts";

const imports: [string, string, RegExp | undefined][] = [
  ["/home/x/policy/role.ts", "./problem.ts", undefined],
  ["/home/x/policy/source.ts", "yaml", undefined],
  ["/home/x/policy/role.ts", "yaml", /Only policy\/source\.ts/],
  ["/home/x/policy/role.ts", "node:fs", /pure/],
  ["/home/x/policy/role.ts", "../identity/mod.ts", /cannot depend on identity\//],
  ["/home/x/policy/lint/a.ts", "../pattern/mod.ts", undefined],
  ["/home/x/policy/lint/a.ts", "../../relay/mod.ts", /cannot depend on relay\//],
  ["/home/x/identity/bot/a.ts", "../../policy/mod.ts", undefined],
  ["/home/x/identity/bot/a.ts", "../../policy/role.ts", /through a mod\.ts/],
  ["/home/x/identity/bot/a.ts", "../x509/ca.ts", undefined],
  ["/home/x/identity/bot/a.ts", "node:fs", undefined],
  ["/home/x/relay/gate/a.ts", "../../identity/x509/mod.ts", undefined],
  ["/home/x/relay/gate/a.ts", "../../cli/run.ts", /cannot depend on cli\//],
  ["/home/x/relay/gate/a.ts", "../../tests/support/x.ts", /cannot depend on tests/],
  ["/home/x/cli/commands/tsh.ts", "../../relay/bridge/mod.ts", undefined],
  ["/home/x/cli/commands/tsh.ts", "../../relay/bridge/dial.ts", /through a mod\.ts/],
  ["/home/x/tests/cli/a.ts", "../../relay/bridge/dial.ts", undefined],
  ["C:\\x\\relay\\gate\\a.ts", "../../policy/role.ts", /through a mod\.ts/],
];
for (const [file, specifier, expected] of imports) {
  test(`${file} ${expected ? "may not" : "may"} import ${specifier}`, () => {
    const message = judgeImport(file, specifier);
    if (expected === undefined) assert.equal(message, undefined);
    else assert.match(message ?? "", expected);
  });
}

test("a file's place is the first known folder of its path", () => {
  assert.deepEqual(placeOf("/a/relay/policy/x.ts"), { top: "relay", path: "relay/policy/x.ts" });
  assert.deepEqual(placeOf("/a/mod.ts"), { top: "mod.ts", path: "mod.ts" });
  assert.equal(placeOf("/a/b.ts"), undefined);
  const place = { top: "relay", path: "relay/x.ts" };
  assert.deepEqual(placeOf("/a/tools/postern/relay/x.ts", "/a/tools/postern/"), place);
});

test("the runtime may be named in the host, in tools and in tests", () => {
  assert.ok(mayNameRuntime("/x/cli/host.ts"));
  assert.ok(mayNameRuntime("/x/tools/build.ts"));
  assert.ok(mayNameRuntime("/x/tests/support/harness.ts"));
  assert.ok(!mayNameRuntime("/x/cli/run.ts"));
  assert.ok(!mayNameRuntime("/x/policy/role.ts"));
});

const deno = "Deno" in globalThis ? false : "deno lint runs on Deno alone";

function lint(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map(({ id }) => id.replace("postern/", ""));
}

const sources: [string, string, string[]][] = [
  ["identity/a.ts", 'import { x } from "../relay/mod.ts"; x();', ["dependency-direction"]],
  ["identity/a.ts", 'export { x } from "../policy/role.ts";', ["dependency-direction"]],
  ["identity/a.ts", 'export * from "../policy/role.ts";', ["dependency-direction"]],
  ["identity/a.ts", 'await import("../cli/run.ts");', ["dependency-direction"]],
  ["identity/a.ts", 'import type { X } from "../policy/role.ts"; let x: X;', [
    "dependency-direction",
  ]],
  ["identity/a.ts", 'import { x } from "../policy/mod.ts"; x();', []],
  ["identity/a.ts", "export const x = 1; export { x as y };", []],
  ["relay/a.ts", "Deno.exit(1); Bun.gc();", ["runtime-only-in-host", "runtime-only-in-host"]],
  ["cli/host.ts", "Deno.exit(1);", []],
  ["relay/a.ts", 'console.log("x");', ["console-only-in-tools"]],
  ["tools/a.ts", 'console.log("x");', []],
  ["policy/a.ts", "process.exit(1);", ["pure-policy"]],
  ["policy/a.ts", 'fetch("x");', ["pure-policy"]],
  ["policy/a.ts", "new RegExp(pattern);", ["pure-policy"]],
  ["policy/pattern/a.ts", "new RegExp(pattern);", []],
  ["policy/a.ts", "/^[a-z]+$/.test(text);", []],
];
for (const [file, source, expected] of sources) {
  test(`deno lint says ${expected.join(", ") || "nothing"} of ${file}: ${source}`, () => {
    assert.deepEqual(lint(file, source), expected);
  }, { skip: deno });
}
