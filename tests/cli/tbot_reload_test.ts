// What SIGHUP makes of a configuration file: services live, the rest with a word, errors with none.
import assert from "node:assert/strict";
import { ConfigFile } from "../../cli/commands/_tbot_reload.ts";
import { BotStatus, parseBotConfig } from "../../identity/bot/mod.ts";
import { silentLog, systemClock } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

const file = (port: number, ...paths: string[]) =>
  parseBotConfig(
    `version: v2
proxy_server: example.com:${port}
onboarding: {join_method: token, token: t, ca_pins: ["sha256:${"0".repeat(64)}"]}
services:
${
      paths.map((path) => `- {type: identity, destination: {type: directory, path: ${path}}}`).join(
        "\n",
      )
    }
`,
    "tbot.yaml",
  );

test("services of a changed file are taken up; what needs a restart is named", async () => {
  const warned: unknown[] = [];
  const status = new BotStatus(systemClock);
  const log = { ...silentLog, warn: (...all: unknown[]) => void warned.push(all) };
  const { config } = file(443, "/a");
  const read = (text: () => ReturnType<typeof file>) =>
    new ConfigFile(config, { log, status, reread: async () => await Promise.resolve(text()) })
      .read();
  assert.equal((await read(() => file(443, "/a", "/b")))?.length, 2);
  assert.deepEqual(warned, []);
  assert.equal((await read(() => file(3080, "/b")))?.length, 1);
  assert.deepEqual(warned, [[
    "the configuration file has changed in what needs a restart of tbot",
    { changed: "proxyServer" },
  ]]);
  assert.equal(await read(() => file(443, "/a", "/a")), undefined, "used twice");
  assert.match(status.lastError?.reason ?? "", /used twice/);
  assert.equal(status.lastError?.service, "configuration");
});
