// What a reload makes of a changed configuration, with services that tell what becomes of them.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BotStatus, createReload, parseBotConfig, runBot } from "../../identity/bot/mod.ts";
import {
  caPin,
  IdentityError,
  identityExpiry,
  parseIdentityFile,
  silentLog,
} from "../../identity/mod.ts";
import { FakeAuthority } from "../support/fake_authority.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test, type TestContext } from "../support/harness.ts";

test("what stays at its place goes on through a reload, whatever its name and its lifetimes", async (context) => {
  const bot = await setUp(context);
  bot.services(bot.output("a"), bot.tunnel("files", 8080));
  await bot.start(3);
  assert.deepEqual(bot.events, ["files listens on 8080", "files is renewed"]);
  // It was the second of the list, and is the third.
  bot.services(
    bot.output("a"),
    bot.output("b"),
    bot.tunnel("files", 8080),
    "renewal_interval: 10m",
  );
  assert.equal(await bot.reload(), undefined);
  await bot.clock.asleep(4);
  assert.deepEqual(bot.events.slice(2), ["files is renewed"]);
  assert.ok(existsSync(join(bot.root, "b", "identity")));
  assert.deepEqual(Object.keys(bot.status.services), [
    "identity",
    "identity-1",
    "identity-2",
    "application-tunnel-3",
  ]);
  assert.equal(bot.status.typeOf("application-tunnel-3"), "application-tunnel");
  assert.equal(bot.status.ready, true);
  assert.equal(await bot.clock.step(4), 10 * 60_000);
  await bot.clock.asleep(4);
});

test("a service that is in the file no more ends, and its port is free for another", async (context) => {
  const bot = await setUp(context);
  bot.services(bot.output("a"), bot.tunnel("files", 8080));
  await bot.start(3);
  bot.services(bot.tunnel("mail", 8080));
  assert.equal(await bot.reload(), undefined);
  await bot.clock.asleep(2);
  assert.deepEqual(bot.events.slice(2), [
    "files is closed",
    "mail listens on 8080",
    "mail is renewed",
  ]);
  assert.deepEqual(Object.keys(bot.status.services), ["identity", "application-tunnel-1"]);
});

test("a configuration that cannot be used changes nothing, and is unhealthy until there is a good one", async (context) => {
  const bot = await setUp(context);
  bot.services(bot.output("a"), bot.tunnel("files", 8080));
  await bot.start(3);
  const bad: [() => void, RegExp][] = [
    [() => bot.services("- type: identiti"), /identiti/],
    [() => bot.services(bot.output("b"), bot.tunnel("files", 99)), /^port 99 is taken$/],
    [
      () => bot.services(bot.output("b"), "diag_addr: 127.0.0.1:1"),
      /^Cannot change `diag_addr` while tbot runs/,
    ],
  ];
  for (const [write, reason] of bad) {
    write();
    assert.match(await bot.reload() ?? "", reason);
    await bot.clock.asleep(3);
    assert.equal(bot.status.ready, false);
    assert.equal(existsSync(join(bot.root, "b", "identity")), false);
    const { configuration, ...services } = bot.status.services;
    assert.match(configuration?.reason ?? "", reason);
    assert.deepEqual(Object.values(services).map(({ status }) => status), Array(3).fill("healthy"));
  }
  // It is renewed each time all the same; of the one that could not listen nothing is left.
  assert.deepEqual(
    bot.events.slice(2).filter((event) => event !== "files is renewed"),
    ["files is closed"],
  );
  assert.equal(bot.events.filter((event) => event === "files is renewed").length, 4);
  bot.services(bot.output("b"), bot.tunnel("files", 8080));
  assert.equal(await bot.reload(), undefined);
  await bot.clock.asleep(3);
  assert.equal(bot.status.ready, true);
});

test("another token is joined with at once; one that is refused leaves the identity as it was", async (context) => {
  const bot = await setUp(context);
  bot.services(bot.output("a"));
  await bot.start(2);
  bot.token = "unknown";
  bot.services(bot.output("b"), bot.tunnel("files", 8080), "credential_ttl: 2h");
  assert.match(await bot.reload() ?? "", /token/);
  await bot.clock.asleep(2);
  assert.equal(
    existsSync(join(bot.root, "b")) && existsSync(join(bot.root, "b", "identity")),
    false,
  );
  assert.equal(bot.status.services["identity"]?.status, "healthy");
  assert.equal(bot.authority.calls.at(-2)?.method, "renew");
  assert.deepEqual(bot.events, ["files listens on 8080", "files is closed"]);
  const stored = parseIdentityFile(readFileSync(join(bot.root, "bot", "identity"), "utf8"), "");
  assert.equal(identityExpiry(stored).getTime() - bot.clock.now().getTime(), 60 * 60_000);
  bot.token = "another";
  bot.authority.addToken("another");
  bot.services(bot.output("b"));
  assert.equal(await bot.reload(), undefined);
  await bot.clock.asleep(2);
  assert.equal(bot.authority.instances().length, 2);
  assert.equal(bot.status.ready, true);
});

async function setUp(context: TestContext) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "postern-reload-")));
  context.cleanup(() => rmSync(root, { recursive: true }));
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const authority = await FakeAuthority.start(clock);
  authority.addToken("token");
  const status = new BotStatus(clock);
  const events: string[] = [];
  const pin = caPin(authority.hostCa.certificate);
  let text = "";
  const read = () => parseBotConfig(text, "tbot.yaml").config;
  const asked = createReload();
  const told = Promise.withResolvers<void>();
  let heard = told;
  const log = {
    ...silentLog,
    info: (message: string) => message.startsWith("the configuration") && heard.resolve(),
    error: (message: string) => message.startsWith("Cannot reload") && heard.resolve(),
  };
  return {
    root,
    clock,
    authority,
    status,
    events,
    token: "token",
    /** Writes the configuration; lines that are no service stand before the list. */
    services(...lines: string[]) {
      const of = (services: boolean) =>
        lines.filter((line) => line.startsWith("- ") === services).map((line) => `${line}\n`).join(
          "",
        );
      text = `version: v2
proxy_server: demo.test:443
onboarding: {join_method: token, token: ${this.token}, ca_pins: ["${pin}"]}
storage: {type: directory, path: ${join(root, "bot")}}
${of(false)}services:
${of(true)}`;
    },
    output: (name: string) =>
      `- {type: identity, destination: {type: directory, path: ${join(root, name)}}}`,
    tunnel: (app: string, port: number) =>
      `- {type: application-tunnel, app_name: ${app}, listen: "tcp://127.0.0.1:${port}"}`,
    /** Resolves once as many loops sleep. */
    async start(loops: number) {
      const controller = new AbortController();
      const done = runBot({
        config: read(),
        source: { reload: asked, read: () => Promise.resolve().then(read) },
        connect: authority.connect,
        clock,
        reload: createReload(),
        log,
        status,
        random: () => 1,
        signal: controller.signal,
        openTunnel: ({ app, listen: { port } }) => ({
          listen() {
            if (port < 1024) {
              return Promise.reject(new IdentityError("CONFIG_INVALID", `port ${port} is taken`));
            }
            events.push(`${app} listens on ${port}`);
            return Promise.resolve();
          },
          use: () => void events.push(`${app} is renewed`),
          close() {
            events.push(`${app} is closed`);
            return Promise.resolve();
          },
        }),
      });
      context.cleanup(async () => {
        controller.abort();
        await done;
      });
      await clock.asleep(loops);
    },
    /** What is wrong with the configuration, once it has been read again. */
    async reload(): Promise<string | undefined> {
      heard = Promise.withResolvers<void>();
      assert.equal(asked.request(), true);
      await heard.promise;
      await new Promise((resolve) => setImmediate(resolve));
      return status.services["configuration"]?.reason;
    },
  };
}
