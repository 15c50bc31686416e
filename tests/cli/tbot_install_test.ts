import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { tbot } from "../../cli/commands/tbot.ts";
import { systemClock } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

function setUp({ cleanup, signal }: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "postern-install-"));
  cleanup(() => rmSync(root, { recursive: true }));
  const config = join(root, "tbot.yaml");
  const write = (storage: string) =>
    writeFileSync(
      config,
      `version: v2
proxy_server: demo.test:443
storage: {type: directory, path: ${storage}}
services:
- type: identity
  destination: {type: directory, path: "/opt/100% mine"}
`,
    );
  write("/var/lib/teleport/bot");
  let printed = "";
  const unused = () => {
    throw new Error("nothing of the kind is needed to install");
  };
  return {
    root,
    config,
    write,
    async run(...args: string[]) {
      printed = "";
      await tbot({
        env: {},
        stdout: { write: (text) => printed += text },
        stderr: { write: () => {} },
        clock: systemClock,
        signal,
        onSignal: unused,
        onClockJump: unused,
        openLog: unused,
        connect: unused,
        selfCommand: [process.execPath],
        version: "1.2.3",
      }).parseAsync(["-c", config, "install", "systemd", ...args], { from: "user" });
      return printed;
    },
  };
}

test("`tbot install systemd` prints a unit that may write where the bot writes", async (context) => {
  const { config, run } = setUp(context);
  const unit = await run("--user=bot", "--group=mcp");
  const lines = unit.split("\n");
  for (
    const line of [
      "Type=notify",
      "NotifyAccess=all",
      "User=bot",
      "Group=mcp",
      `ExecStart=${process.execPath} start --config ${config} --log-format json`,
      "ExecReload=/bin/kill -HUP $MAINPID",
      'ReadWritePaths=-/var/lib/teleport/bot -"/opt/100%% mine"',
      "PrivateTmp=yes",
    ]
  ) assert.ok(lines.includes(line), `${line} is missing in\n${unit}`);
});

const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0
  ? false
  : "there is no systemd-analyze";

test("systemd finds nothing wrong with the unit", async (context) => {
  const { root, run } = setUp(context);
  await run("--write", `--systemd-directory=${root}`, "--user=root", "--group=root");
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", join(root, "tbot.service")], {
    encoding: "utf8",
  });
  // What it says of other units of this machine is none of ours.
  assert.doesNotMatch(stderr, /tbot\.service/);
  assert.equal(status, 0, stderr);
}, { skip: analyze });

test("`--write` writes the unit once, and replaces one only when told", async (context) => {
  const { root, run } = setUp(context);
  const place = ["--write", `--systemd-directory=${root}`, "--name=my-bot"];
  assert.match(await run(...place), /my-bot\.service[^]*\/opt\/100% mine[^]*enable --now my-bot/);
  const file = join(root, "my-bot.service");
  assert.equal(readFileSync(file, "utf8"), await run());
  writeFileSync(file, "mine");
  await assert.rejects(run(...place), {
    code: "CONFIG_INVALID",
    message: /there is a unit already/,
  });
  assert.equal(readFileSync(file, "utf8"), "mine");
  await run(...place, "--force");
  assert.equal(readFileSync(file, "utf8"), await run());
});

test("no unit is made of what could not run", async (context) => {
  const { run, write } = setUp(context);
  write("bot");
  await assert.rejects(run(), { code: "CONFIG_INVALID", message: /the path bot is not absolute/ });
  await assert.rejects(run("--name=../evil"), { code: "commander.invalidArgument" });
  await assert.rejects(run("--user=a\nExecStart=/bin/sh"), { code: "commander.invalidArgument" });
});
