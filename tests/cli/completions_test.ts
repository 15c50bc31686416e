import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "../support/harness.ts";
import { runtimeCommand } from "../support/runtime_command.ts";

const PROGRAMS = { tbot: "tbot.ts", tsh: "tsh_mcp.ts" } as const;

function run(name: keyof typeof PROGRAMS, ...args: string[]) {
  const entry = fileURLToPath(new URL(`../../cli/${PROGRAMS[name]}`, import.meta.url));
  const [command = "", ...rest] = runtimeCommand(entry, ...args);
  const { status, stderr, stdout } = spawnSync(command, rest, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

const words = (answer: string) =>
  answer.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split("\t")[0])
    .filter((word) => word !== "");

test("the shell is told commands, options and their values", () => {
  assert.deepEqual(words(run("tbot", "complete", "--", "start", "app")), [
    "application",
    "application-tunnel",
  ]);
  const methods = words(run("tbot", "complete", "--", "start", "--join-method", ""));
  assert.ok(methods.includes("token") && methods.includes("kubernetes"), methods.join());
  assert.ok(
    words(run("tbot", "complete", "--", "start", "identity", "--all")).includes("--allow-reissue"),
  );
  assert.deepEqual(words(run("tsh", "complete", "--", "mcp", "")).sort(), [
    "call",
    "config",
    "connect",
    "help",
    "inspect",
    "ls",
  ]);
});

const bash = spawnSync("bash", ["--version"]).error ? "there is no bash" : false;

test("bash sources the scripts of several programs, and answers by them", (context) => {
  const root = mkdtempSync(join(tmpdir(), "postern-completions-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  for (const name of ["tbot", "tsh"] as const) {
    writeFileSync(join(root, `${name}.bash`), run(name, "completion", "bash"));
  }
  const entry = fileURLToPath(new URL("../../cli/tbot.ts", import.meta.url));
  const script = `
    tbot() { ${runtimeCommand(entry).map((word) => `'${word}'`).join(" ")} "$@"; }
    source ${root}/tbot.bash
    source ${root}/tsh.bash
    # Of bash and of the package bash-completion, which are there when somebody types.
    _get_comp_words_by_ref() { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${words[cword]}; }
    compopt() { :; }
    COMP_WORDS=(tbot start app); COMP_CWORD=2; COMP_LINE="tbot start app"; COMP_POINT=14
    __tbot_complete
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stderr, stdout } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.deepEqual(stdout.trim().split("\n").map((line) => line.trim().split(/\s/)[0]), [
    "application",
    "application-tunnel",
  ]);
}, { skip: bash });

test("zsh and fish get scripts as well, and another shell is refused", () => {
  assert.match(run("tbot", "completion", "zsh"), /^#compdef tbot/m);
  assert.match(run("tbot", "completion", "fish"), /complete -c tbot/);
  assert.throws(() => run("tbot", "completion", "tcsh"), /Allowed choices are bash, zsh, fish/);
});
