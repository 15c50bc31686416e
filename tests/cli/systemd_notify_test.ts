import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { statusLine } from "../../cli/commands/_tbot_status_line.ts";
import { SystemdNotify } from "../../cli/systemd_notify.ts";
import { silentLog } from "../../identity/mod.ts";
import { eventually } from "../support/cluster_process.ts";
import { test, type TestContext } from "../support/harness.ts";

/** A `systemd-notify` that writes down what it is told. */
function setUp({ cleanup }: TestContext, script: string) {
  const root = mkdtempSync(join(tmpdir(), "postern-notify-"));
  cleanup(() => rmSync(root, { recursive: true }));
  const told = join(root, "told");
  writeFileSync(join(root, "systemd-notify"), `#!/bin/sh\n${script.replaceAll("TOLD", told)}\n`);
  chmodSync(join(root, "systemd-notify"), 0o755);
  const env = { PATH: `${root}:${process.env["PATH"]}`, NOTIFY_SOCKET: join(root, "socket") };
  const lines = () => existsSync(told) ? readFileSync(told, "utf8").trim().split("\n") : [];
  return { root, env, lines };
}

const posix = process.platform === "win32" ? "needs a shell" : false;

test(
  "systemd hears each word, the newest of a kind, and nothing that breaks the line",
  async (context) => {
    const { env, lines } = setUp(context, 'for word; do echo "$NOTIFY_SOCKET $word" >> TOLD; done');
    const systemd = SystemdNotify.open({ env, log: silentLog });
    assert.ok(systemd);
    systemd.say("STATUS", "first");
    systemd.say("STATUS", "second");
    systemd.say("STATUS", "third\nREADY=1");
    systemd.say("READY", "1");
    await systemd.close();
    assert.deepEqual(
      lines(),
      [
        "STATUS=first",
        "STATUS=third READY=1",
        "READY=1",
        "STOPPING=1",
      ].map((word) => `${env.NOTIFY_SOCKET} ${word}`),
    );
  },
  { skip: posix },
);

test("the watchdog is fed as long as the process turns", async (context) => {
  const { env, lines } = setUp(context, 'for word; do echo "$word" >> TOLD; done');
  const systemd = SystemdNotify.open({ env: { ...env, WATCHDOG_USEC: "20000" }, log: silentLog });
  await eventually(
    () => lines().filter((line) => line === "WATCHDOG=1").length >= 3,
    "the watchdog was fed three times",
  );
  await systemd?.close();
}, { skip: posix });

test("a systemd-notify that fails is complained of once, and asked no more", async (context) => {
  const { env, lines } = setUp(context, "echo called >> TOLD; exit 1");
  const warned: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) };
  const systemd = SystemdNotify.open({ env, log });
  systemd?.say("READY", "1");
  await eventually(() => warned.length === 1, "it was complained of");
  systemd?.say("STATUS", "on");
  await systemd?.close();
  assert.deepEqual([warned.length, lines()], [1, ["called"]]);
}, { skip: posix });

test("whom systemd has not started tells it nothing", () => {
  assert.equal(SystemdNotify.open({ env: {}, log: silentLog }), undefined);
});

/** Like systemd, it closes what comes with a message: by that systemd-notify knows it was read. */
const RECEIVER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    message, fds, _, _ = socket.recv_fds(s, 4096, 4)
    for fd in fds:
        os.close(fd)
    print(message.decode())
`;

const real = ["systemd-notify", "python3"].find((program) =>
  spawnSync(program, ["--version"]).error
);

test("the real systemd-notify brings a word to a real socket", async (context) => {
  const root = mkdtempSync(join(tmpdir(), "postern-notify-"));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const socket = join(root, "socket");
  const receiver = spawn("python3", ["-u", "-c", RECEIVER, socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => receiver.once("close", resolve));
  context.cleanup(() => {
    receiver.kill();
    return ended;
  });
  let heard = "";
  receiver.stdout.on("data", (chunk: Uint8Array) => heard += new TextDecoder().decode(chunk));
  await eventually(() => existsSync(socket), "the socket is there");
  const env = { PATH: process.env["PATH"], NOTIFY_SOCKET: socket };
  const systemd = SystemdNotify.open({ env, log: silentLog });
  systemd?.say("STATUS", "2 of 2 services are healthy");
  await eventually(() => heard.includes("STATUS=2 of 2 services are healthy"), "it was heard");
  await systemd?.close();
  assert.match(heard, /STOPPING=1/);
}, { skip: real === undefined ? false : `there is no ${real}` });

test("the status line names what is worst", () => {
  assert.equal(statusLine({ identity: { status: "healthy" } }), "1 of 1 services are healthy");
  assert.equal(
    statusLine({
      identity: { status: "healthy" },
      a: { status: "initializing" },
      b: { status: "unhealthy", reason: "Cannot reach x" },
    }),
    "1 of 3 services are healthy; b: Cannot reach x",
  );
  assert.equal(
    statusLine({ identity: { status: "initializing" } }),
    "0 of 1 services are healthy; identity: initializing",
  );
});
