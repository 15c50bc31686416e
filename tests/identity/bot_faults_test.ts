// The table of troubles in docs/tbot.md, one test for each line that no other test has.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BotStatus, createReload, parseBotConfig, runBot } from "../../identity/bot/mod.ts";
import { caPin, identityExpiry, parseIdentityFile, silentLog } from "../../identity/mod.ts";
import { createCa } from "../../identity/x509/mod.ts";
import { FakeAuthority } from "../support/fake_authority.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";

const MINUTE = 60_000;

async function setUp(context: TestContext) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "postern-faults-")));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const authority = await FakeAuthority.start(clock);
  authority.addToken("token");
  const status = new BotStatus(clock);
  const options = (oneshot: boolean, { storage = "bot", token = "token" }) => {
    const text = `version: v2
proxy_server: demo.test:443
onboarding: {ca_pins: ["${
      caPin(authority.hostCa.certificate)
    }"], join_method: token, token: ${token}}
storage: {type: directory, path: ${join(root, storage)}}
services:
- type: identity
  destination: {type: directory, path: ${join(root, "out")}}
- type: identity
  destination: {type: directory, path: ${join(root, "other")}}
`;
    return {
      config: parseBotConfig(text, "tbot.yaml", { oneshot }).config,
      connect: authority.connect,
      clock,
      reload: createReload(),
      log: silentLog,
      status,
      random: () => 1,
    };
  };
  return {
    root,
    clock,
    authority,
    status,
    once: (changes: { storage?: string; token?: string } = {}) =>
      runBot({ ...options(true, changes), signal: context.signal }),
    start(changes: { storage?: string } = {}) {
      const controller = new AbortController();
      const done = runBot({ ...options(false, changes), signal: controller.signal });
      const stop = async () => {
        controller.abort();
        await done;
      };
      context.cleanup(() => stop().catch(() => {}));
      return { stop };
    },
    copy: (from: string, to: string) => {
      rmSync(join(root, to), { recursive: true, force: true });
      cpSync(join(root, from), join(root, to), { recursive: true });
    },
    identity: (output = "out") => readFileSync(join(root, output, "identity"), "utf8"),
  };
}

const endOf = (text: string) => identityExpiry(parseIdentityFile(text, "identity")).getTime();

test("a copy of the storage locks the instance when the second of both renews, and a new token mends it", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  bot.copy("bot", "stolen");
  await bot.once({ storage: "stolen" });
  // The owner comes second, and is the one who sees it.
  const running = bot.start();
  await bot.clock.asleep(1);
  assert.match(bot.status.services["identity"]?.reason ?? "", /generation/);
  await assert.rejects(bot.once({ storage: "stolen" }), { code: "LOCKED" });
  // It neither ends nor storms: seven tries, then a rest of five minutes.
  const before = bot.authority.calls.length;
  let passed = 0;
  while (passed < 6 * MINUTE) passed += await bot.clock.step(1);
  await running.stop();
  const tries = bot.authority.calls.slice(before).filter(({ method }) => method === "renew").length;
  assert.ok(tries >= 5 && tries <= 9, `${tries} tries in six minutes`);
  bot.authority.addToken("another");
  await bot.once({ token: "another" });
  assert.deepEqual(bot.authority.instances().map(({ locked }) => locked), [true, false]);
});

test("a storage that was restored from a backup is taken for a copy, and a new token mends it", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  bot.copy("bot", "backup");
  await bot.once();
  await bot.once();
  bot.copy("backup", "bot");
  await assert.rejects(bot.once(), { code: "LOCKED" });
  bot.authority.addToken("another");
  await bot.once({ token: "another" });
});

test("a renewal brings the CAs of now, so that a rotation reaches storage and outputs", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  const notBefore = bot.clock.now();
  const notAfter = new Date(notBefore.getTime() + 86_400_000);
  const next = await createCa({ cluster: "demo.test", kind: "host", notBefore, notAfter });
  const { authority } = bot;
  const bundle = authority.bundle.bind(authority);
  authority.bundle = () => ({ ...bundle(), hostCas: [...bundle().hostCas, next.certificate] });
  await bot.once();
  const stored = readFileSync(join(bot.root, "bot", "identity"), "utf8");
  for (const text of [bot.identity(), bot.identity("other"), stored]) {
    assert.equal(parseIdentityFile(text, "identity").tlsCas.length, 2);
  }
  const file = readFileSync(join(bot.root, "out", "teleport-host-ca.crt"), "utf8");
  assert.equal(file.match(/BEGIN CERTIFICATE/g)?.length, 2);
});

/** Whether this process may make small file systems, which is what fills up or turns read-only. */
const mounts = (() => {
  if (process.platform !== "linux") return "it mounts a tmpfs";
  const place = mkdtempSync(join(tmpdir(), "postern-mount-"));
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", place]);
  if (status === 0) execFileSync("umount", [place]);
  rmSync(place, { recursive: true });
  return status === 0 ? false : "it may not mount a tmpfs";
})();

function mount(context: TestContext, path: string): void {
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", path]);
  context.cleanup(() => execFileSync("umount", [path]));
}

const troubles: Record<
  string,
  { begin(path: string): void; end(path: string): void; code: RegExp }
> = {
  "a full disk": {
    begin: (path) => {
      try {
        writeFileSync(join(path, "ballast"), "x".repeat(1024 * 1024));
      } catch {
        // It is full now.
      }
    },
    end: (path) => rmSync(join(path, "ballast")),
    code: /ENOSPC/,
  },
  "a directory that has become read-only": {
    begin: (path) => void execFileSync("mount", ["-o", "remount,ro", path]),
    end: (path) => void execFileSync("mount", ["-o", "remount,rw", path]),
    code: /EROFS/,
  },
};

for (const [what, { begin, code, end }] of Object.entries(troubles)) {
  test(
    `${what} leaves the files of an output whole, others go on, and it is written when it can be`,
    async (context) => {
      const bot = await setUp(context);
      const path = join(bot.root, "out");
      mount(context, path);
      const running = bot.start();
      // It must have ended before its directory is unmounted.
      context.cleanup(() => running.stop());
      await bot.clock.asleep(3);
      const before = bot.identity();
      begin(path);
      bot.clock.advance(20 * MINUTE);
      await bot.clock.asleep(3);
      assert.match(bot.status.services["identity-1"]?.reason ?? "", code);
      assert.equal(bot.identity(), before);
      assert.equal(bot.status.services["identity-2"]?.status, "healthy");
      assert.ok(endOf(bot.identity("other")) > endOf(before));
      end(path);
      while (bot.status.services["identity-1"]?.status !== "healthy") await bot.clock.step(3);
      await bot.clock.asleep(3);
      assert.ok(endOf(bot.identity()) > endOf(before));
    },
    { skip: mounts },
  );
}

test(
  "a full disk under the storage costs no generation: nothing is asked that could not be kept",
  async (context) => {
    const bot = await setUp(context);
    // The lock in it is open for writing, so that it cannot be made read-only by hand.
    const disk = troubles["a full disk"]!;
    const path = join(bot.root, "bot");
    mount(context, path);
    const running = bot.start();
    context.cleanup(() => running.stop());
    await bot.clock.asleep(3);
    disk.begin(path);
    const renewals = () => bot.authority.calls.filter(({ method }) => method === "renew").length;
    bot.clock.advance(20 * MINUTE);
    await bot.clock.asleep(3);
    assert.match(bot.status.services["identity"]?.reason ?? "", disk.code);
    assert.equal(renewals(), 0);
    // What there is serves on.
    assert.equal(bot.status.services["identity-1"]?.status, "healthy");
    disk.end(path);
    while (bot.status.services["identity"]?.status !== "healthy") await bot.clock.step(3);
    await bot.clock.asleep(3);
    assert.equal(renewals(), 1);
    assert.equal(bot.authority.instances()[0]?.locked, false);
  },
  { skip: mounts },
);

test("a storage that has vanished is made anew by a reload, and its loss costs the identity alone", async (context) => {
  const bot = await setUp(context);
  await bot.once();
  rmSync(join(bot.root, "bot"), { recursive: true });
  await assert.rejects(bot.once(), { code: "JOIN_TOKEN_USED" });
  assert.ok(existsSync(join(bot.root, "out", "identity")));
  bot.authority.addToken("another");
  await bot.once({ token: "another" });
});
