// The compiled tbot, killed at random again and again while it renews.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseIdentityFile } from "../../identity/mod.ts";
import { RunningProgram } from "./cluster_process.ts";
import { Guide } from "./guide.ts";
import type { TestContext } from "./harness.ts";

/** Kills are spread over this time after the start, in which a bot renews several times. */
const SPREAD_MS = 1_500;

/**
 * Kills tbot `count` times, each at a random moment. After each the files must be whole and of one
 * key; the last start must renew without a hand. Resolves with the renewals that there were.
 */
export async function playKills(
  context: TestContext,
  count: number,
  told: (line: string) => void = () => {},
): Promise<number> {
  const guide = await Guide.start(context);
  await guide.writeBotFile();
  guide.write(
    "tbot.yaml",
    readFileSync(join(guide.directory, "tbot.yaml"), "utf8") +
      "credential_ttl: 1h\nrenewal_interval: 1s\n",
  );
  const start = () =>
    new RunningProgram("tbot", ["start", "-c", "tbot.yaml", "--log-format=json"], {
      cwd: guide.directory,
    });
  const first = start();
  await first.until(() => first.stderr.includes("identity written"), "it had written");
  await first.kill();
  let renewals = 0;
  for (let i = 1; i <= count; i++) {
    const tbot = start();
    await sleep(Math.random() * SPREAD_MS);
    await tbot.kill();
    renewals += tbot.stderr.split("the bot's identity is fresh").length - 1;
    const where = `after kill ${i}: ${tbot.stderr}`;
    const read = (file: string) => readFileSync(join(guide.directory, "machine-id", file), "utf8");
    const identity = parseIdentityFile(read("identity"), where);
    assert.equal(read("key"), identity.key, where);
    assert.doesNotMatch(tbot.stderr, /joining anew|"level":"error"/, where);
    if (i % 10 === 0) told(`${i} kills, ${renewals} renewals`);
  }
  const last = start();
  await last.until(() => last.stderr.includes("identity written"), "it had renewed");
  assert.equal(await last.stop(), 0);
  return renewals;
}
