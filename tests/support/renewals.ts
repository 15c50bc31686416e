// Many renewals in little time: the real engine and real files, a fake clock and authority.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createReload, parseBotConfig, runBot } from "../../identity/bot/mod.ts";
import { caPin, silentLog } from "../../identity/mod.ts";
import { nodePath } from "./cluster_process.ts";
import { FakeAuthority } from "./fake_authority.ts";
import { FakeClock } from "./fake_clock.ts";

export interface ReaderReport {
  readonly reads: number;
  /** Different contents that it met. */
  readonly versions: number;
  /** What was wrong with what it read. */
  readonly torn: readonly string[];
}

/** Renews an output `count` times while another process reads it; `each` is told how far it is. */
export async function renewUnderRead(
  count: number,
  each: (done: number) => void = () => {},
): Promise<ReaderReport> {
  const place = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const root = realpathSync(mkdtempSync(join(place, "postern-renewals-")));
  try {
    return await run(root, count, each);
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function run(
  root: string,
  count: number,
  each: (done: number) => void,
): Promise<ReaderReport> {
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const authority = await FakeAuthority.start(clock);
  authority.addToken("token");
  const output = join(root, "out");
  const text = `version: v2
proxy_server: demo.test:443
onboarding: {ca_pins: ["${caPin(authority.hostCa.certificate)}"], join_method: token, token: token}
storage: {type: directory, path: ${join(root, "bot")}}
services:
- type: identity
  destination: {type: directory, path: ${output}}
`;
  const controller = new AbortController();
  const done = runBot({
    config: parseBotConfig(text, "tbot.yaml").config,
    connect: authority.connect,
    clock,
    signal: controller.signal,
    reload: createReload(),
    log: silentLog,
    random: () => 1,
  });
  await clock.asleep(2);
  const reader = startReader(output);
  await reader.begun;
  for (let i = 1; i <= count; i++) {
    await clock.step(2);
    await clock.asleep(2);
    authority.calls.length = 0;
    each(i);
  }
  const report = await reader.end();
  controller.abort();
  await done;
  return report;
}

function startReader(directory: string) {
  const script = fileURLToPath(new URL("../fixtures/identity_reader.mjs", import.meta.url));
  const child = spawn(nodePath(), [script, directory], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  const begun = Promise.withResolvers<void>();
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdout.on("data", (chunk: Uint8Array) => {
    said += new TextDecoder().decode(chunk);
    if (said.includes("reading\n")) begun.resolve();
  });
  child.once("error", begun.reject);
  return {
    begun: begun.promise,
    async end(): Promise<ReaderReport> {
      child.stdin.end();
      await ended;
      return JSON.parse(said.slice(said.indexOf("\n") + 1));
    },
  };
}
