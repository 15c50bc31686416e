/**
 * Rehearses what goes wrong in earnest, against a real cluster and with machines of its own: a stolen
 * storage, a cluster that is away, a storage from a backup. Each must be noticed.
 */
import type { ConnectOptions } from "../authority/client.ts";
import type { Clock } from "../clock.ts";
import type { Destination } from "../destination/destination.ts";
import { IdentityError } from "../error.ts";
import type { IdentityErrorCode } from "../error.ts";
import { silentLog } from "../log.ts";
import { openBotIdentity } from "./bot_identity.ts";
import type { BotIdentity, Connect } from "./bot_identity.ts";
import type { BotConfig } from "./config.ts";

export interface DrillOptions {
  readonly config: BotConfig;
  /** Two join tokens that nobody has used: both machines are locked in the end. */
  readonly tokens: readonly [string, string];
  readonly connect: Connect;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface DrillFinding {
  readonly what: "outage" | "theft" | "rollback";
  /** The code by which it was noticed; absent when it was not. */
  readonly code: IdentityErrorCode | undefined;
  /** Milliseconds from the act that gave it away until it was noticed. */
  readonly noticed: number;
  /** Milliseconds from there until all was as it should be: well again, or everybody shut out. */
  readonly settled: number;
}

/** An address that nothing listens on: RFC 863's port, which no one serves today. */
const NOWHERE = "127.0.0.1:9";

/** Plays the drill; what it throws kept it from being played at all. */
export async function drill(options: DrillOptions): Promise<DrillFinding[]> {
  const [first, second] = options.tokens;
  const machine = await joined(options, first);
  return [
    await outage(options, machine),
    await theft(options, machine),
    await rollback(options, await joined(options, second)),
  ];
}

interface Machine {
  readonly files: Map<string, string>;
  readonly bot: BotIdentity;
  /** Takes the cluster away, or gives it back. */
  away: boolean;
}

async function joined(options: DrillOptions, token: string): Promise<Machine> {
  const files = new Map<string, string>();
  const machine: { away: boolean } = { away: false };
  const bot = await open(options, files, token, machine);
  await bot.renew();
  return Object.assign(machine, { files, bot });
}

function open(
  { clock, config, connect, signal }: DrillOptions,
  files: Map<string, string>,
  token: string | undefined,
  machine: { readonly away: boolean } = { away: false },
): Promise<BotIdentity> {
  return openBotIdentity({
    config: {
      ...config,
      onboarding: token === undefined ? undefined : { joinMethod: "token", token },
    },
    storage: storageIn(files),
    connect: (to: ConnectOptions) => connect(machine.away ? { ...to, proxy: NOWHERE } : to),
    clock,
    log: silentLog,
    signal,
  });
}

async function outage({ clock }: DrillOptions, machine: Machine): Promise<DrillFinding> {
  machine.away = true;
  const begun = clock.monotonic();
  const code = await codeOf(machine.bot.renew());
  const noticed = clock.monotonic();
  machine.away = false;
  await machine.bot.renew();
  return {
    what: "outage",
    code: code === "API_UNREACHABLE" ? code : undefined,
    noticed: noticed - begun,
    settled: clock.monotonic() - noticed,
  };
}

async function theft(options: DrillOptions, { bot, files }: Machine): Promise<DrillFinding> {
  const { clock } = options;
  const thief = await open(options, new Map(files), undefined);
  await thief.renew();
  return await lockedAfter(clock, "theft", bot.renew(), () => thief.renew());
}

async function rollback(options: DrillOptions, { bot, files }: Machine): Promise<DrillFinding> {
  const backup = new Map(files);
  await bot.renew();
  const restored = await open(options, backup, undefined);
  return await lockedAfter(options.clock, "rollback", restored.renew(), () => bot.renew());
}

/** `act` must be refused since the instance is locked by it, and so must be whoever comes then. */
async function lockedAfter(
  clock: Clock,
  what: DrillFinding["what"],
  act: Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<DrillFinding> {
  const begun = clock.monotonic();
  const code = await codeOf(act);
  const noticed = clock.monotonic();
  const both = code === "LOCKED" && await codeOf(other()) === "LOCKED";
  return {
    what,
    code: both ? code : undefined,
    noticed: noticed - begun,
    settled: clock.monotonic() - noticed,
  };
}

async function codeOf(work: Promise<unknown>): Promise<IdentityErrorCode | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return error.code;
    throw error;
  }
}

/** A storage that can be stolen and restored: nothing of it is ever on a disk. */
function storageIn(files: Map<string, string>): Destination {
  return {
    name: "drill",
    prepare: () => Promise.resolve(),
    read: (file) => Promise.resolve(files.get(file)),
    write: (file, content) => Promise.resolve(void files.set(file, content)),
    remove: (file) => Promise.resolve(void files.delete(file)),
  };
}
