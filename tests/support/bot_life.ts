// A bot that lives through much in little time: a fake clock, an authority that fails as a seed says.
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReload, parseBotConfig, runBot } from "../../identity/bot/mod.ts";
import { caPin, identityExpiry, parseIdentityFile, silentLog } from "../../identity/mod.ts";
import type { Clock } from "../../identity/mod.ts";
import { FakeAuthority, refusal } from "./fake_authority.ts";
import { FakeClock } from "./fake_clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface LifeOptions {
  readonly seed: number;
  readonly hours: number;
  /** How likely a call fails by itself. */
  readonly failures: number;
  /** How often, on average, the authority goes away for a while; hours. */
  readonly outageEvery: number;
  /** The longest time that it stays away; hours. */
  readonly outageHours: number;
  /** The largest error of the machine's own clock, which is set anew now and then; hours. */
  readonly clockError: number;
}

export interface Life {
  /** Every call in its order: milliseconds since the start, what, and how it ended. */
  readonly calls: readonly string[];
  /** When there was no valid identity on disk although there could have been one. */
  readonly gaps: readonly string[];
  /** Most calls in any minute. */
  readonly busiestMinute: number;
  readonly locked: boolean;
  readonly renewals: number;
}

/** The longest pause of a bot that fails, after which it must have noticed that it need not. */
const REST_MS = 5 * MINUTE;

export async function live(options: LifeOptions): Promise<Life> {
  // In memory where there is such a place: nothing here is about the disk.
  const place = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const root = realpathSync(mkdtempSync(join(place, "postern-life-")));
  try {
    return await liveIn(root, options);
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function liveIn(root: string, options: LifeOptions): Promise<Life> {
  const { seed, hours, failures, clockError } = options;
  const clock = new FakeClock(new Date("2026-11-23T12:00:00Z"));
  const start = clock.now().getTime();
  const elapsed = () => clock.now().getTime() - start;
  const authority = await FakeAuthority.start(clock);
  authority.addToken("token");
  const outages = outagesOf(options);
  const isAway = () => outages.some(([from, to]) => elapsed() >= from && elapsed() < to);

  const calls: string[] = [];
  const times: number[] = [];
  const counts = new Map<string, number>();
  let lastTrouble = 0;
  authority.intercept = ({ method }, stage) => {
    const count = counts.get(method + stage) ?? 0;
    counts.set(method + stage, count + 1);
    if (stage === "request") times.push(elapsed());
    const found = isAway() ? "API_UNREACHABLE" : trouble(seed, method + stage, count, failures);
    // The first join is the only one that there can be.
    if (found === undefined || method === "join") {
      if (stage === "reply") calls.push(`${elapsed()} ${method} ok`);
      return;
    }
    lastTrouble = elapsed();
    calls.push(`${elapsed()} ${method} ${stage} ${found}`);
    throw refusal(found, "as the seed has it");
  };

  // The authority's clock is right; that of the machine is set wrong every few hours.
  const error = () =>
    Math.round((chance(seed, "clock", Math.floor(elapsed() / (5 * HOUR))) * 2 - 1) * clockError) *
    HOUR;
  const wrong: Clock = {
    now: () => new Date(clock.now().getTime() + error()),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };

  const output = join(root, "out");
  const file = join(output, "identity");
  const text = `version: v2
proxy_server: demo.test:443
onboarding: {ca_pins: ["${caPin(authority.hostCa.certificate)}"], join_method: token, token: token}
storage: {type: directory, path: ${join(root, "bot")}}
credential_ttl: 24h
services:
- type: identity
  destination: {type: directory, path: ${output}}
  credential_ttl: 1h
  renewal_interval: 20m
`;
  const controller = new AbortController();
  const done = runBot({
    config: parseBotConfig(text, "tbot.yaml").config,
    connect: authority.connect,
    clock: wrong,
    signal: controller.signal,
    reload: createReload(),
    log: silentLog,
    random: () => chance(seed, "jitter", elapsed()),
  });
  const gaps: string[] = [];
  let renewals = 0;
  let before = "";
  await clock.asleep(2);
  while (elapsed() < hours * HOUR) {
    await clock.step(2);
    await clock.asleep(2);
    const identity = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (identity !== before) renewals++;
    before = identity;
    // Until the next step nothing changes on disk.
    const until = elapsed() + (clock.next ?? 0);
    const end = identity === ""
      ? 0
      : identityExpiry(parseIdentityFile(identity, "identity")).getTime() - start;
    const well = [...outages.map(([, to]) => to), lastTrouble].filter((time) => time <= until);
    const excused = Math.max(...well) + REST_MS + 1_000;
    if (end < until && until > excused && !isAwayUntil(outages, until)) {
      gaps.push(`ended at ${end}, none until ${until}, last trouble at ${lastTrouble}`);
    }
  }
  controller.abort();
  await done;
  return {
    calls,
    gaps,
    busiestMinute: busiest(times),
    locked: authority.instances().some(({ locked }) => locked),
    renewals,
  };
}

function isAwayUntil(outages: readonly (readonly [number, number])[], time: number): boolean {
  return outages.some(([from, to]) => time >= from && time < to);
}

function outagesOf({ seed, hours, outageEvery, outageHours }: LifeOptions): [number, number][] {
  const found: [number, number][] = [];
  let at = 0;
  for (let i = 0;; i++) {
    at += (0.5 + chance(seed, "apart", i)) * outageEvery * HOUR;
    if (at > hours * HOUR) return found;
    const end = at + chance(seed, "length", i) ** 2 * outageHours * HOUR;
    found.push([at, end]);
    at = end;
  }
}

const TROUBLES = [
  "API_UNREACHABLE",
  "UNAVAILABLE",
  "RATE_LIMITED",
  "INTERNAL",
  "API_PROTOCOL",
] as const;

/** Not drawn from one stream: what two loops do at the same instant has no fixed order. */
function trouble(seed: number, what: string, count: number, failures: number) {
  const drawn = chance(seed, what, count);
  return drawn >= failures ? undefined : TROUBLES[Math.floor(drawn / failures * TROUBLES.length)];
}

/** A number from 0 to 1 that depends on nothing but what is given. */
function chance(seed: number, what: string, count: number): number {
  const digest = createHash("sha256").update(`${seed} ${what} ${count}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}

function busiest(times: readonly number[]): number {
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= MINUTE) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
