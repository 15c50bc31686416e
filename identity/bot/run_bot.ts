import { resolve } from "node:path";
import type { Clock } from "../clock.ts";
import type { Destination } from "../destination/destination.ts";
import { openDestination } from "../destination/open_destination.ts";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { runLoop } from "./_loop.ts";
import type { Loop, LoopContext } from "./_loop.ts";
import { openBotIdentity } from "./bot_identity.ts";
import type { BotIdentity, Connect } from "./bot_identity.ts";
import type { BotConfig, IdentityService } from "./config.ts";
import { renewOutput } from "./identity_output.ts";
import { lockStorage } from "./lock.ts";
import type { Reload } from "./reload.ts";
import { pauseAfterSuccess } from "./schedule.ts";
import { BotStatus } from "./status.ts";

export interface RunBotOptions {
  readonly config: BotConfig;
  readonly connect: Connect;
  readonly clock: Clock;
  /** Ends the bot; `runBot` then returns without an error. */
  readonly signal: AbortSignal;
  readonly reload: Reload;
  readonly log: Log;
  /** Hears how the services fare. */
  readonly status?: BotStatus;
  /** From 0 to 1, as `Math.random` (default). */
  readonly random?: () => number;
}

interface Output {
  readonly service: IdentityService;
  readonly destination: Destination;
}

/** The name that the bot's own identity has among the services: the original's. */
const BOT_LOOP = "identity";

/** Rounds of tries before a loop waits for its next turn. */
const BOT_TRIES = 7;
const OUTPUT_TRIES = 5;

/** Joins, renews and writes until the signal ends it; in one-shot mode, once. */
export async function runBot(options: RunBotOptions): Promise<void> {
  const { config, log } = options;
  const storage = openDestination(config.storage, log);
  const outputs = config.services.map((service) => ({
    service,
    destination: openDestination(service.destination, log),
  }));
  await storage.prepare();
  const lock = config.storage.type === "directory"
    ? await lockStorage(resolve(config.storage.path))
    : undefined;
  try {
    // Now rather than later: a join uses up its token.
    for (const { destination } of outputs) await destination.prepare();
    await (config.oneshot ? runOnce : runForever)(options, storage, outputs);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    lock?.release();
  }
}

async function runOnce(
  options: RunBotOptions,
  storage: Destination,
  outputs: readonly Output[],
): Promise<void> {
  const bot = await openBotIdentity({ ...options, storage });
  await bot.renew();
  for (const { service, destination } of outputs) {
    await renewOutput(service, destination, bot);
    logWritten(options.log, service, destination);
  }
}

async function runForever(
  options: RunBotOptions,
  storage: Destination,
  outputs: readonly Output[],
): Promise<void> {
  const ended = new AbortController();
  const usable = Promise.withResolvers<void>();
  ended.signal.addEventListener("abort", () => usable.resolve());
  const end = () => ended.abort(options.signal.reason);
  options.signal.addEventListener("abort", end);
  if (options.signal.aborted) end();
  const context: LoopContext = {
    clock: options.clock,
    signal: ended.signal,
    reload: options.reload,
    random: options.random ?? Math.random,
    log: options.log,
    status: options.status ?? new BotStatus(options.clock),
  };
  context.status.expect(BOT_LOOP);
  for (const { service } of outputs) context.status.expect(service.name);
  try {
    const bot = await openBotIdentity({ ...options, storage, signal: ended.signal });
    const loops = [
      runLoop(botLoop(options, bot, usable.resolve), context),
      ...outputs.map(async (output) => {
        await usable.promise;
        await runLoop(outputLoop(options, output, bot), context);
      }),
    ].map((loop) =>
      loop.catch((error) => {
        // One loop that cannot go on ends the others, and then the bot.
        ended.abort(error);
        throw error;
      })
    );
    const results = await Promise.allSettled(loops);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  } finally {
    options.signal.removeEventListener("abort", end);
  }
}

/** `onUsable` is called once there is an identity to issue outputs with. */
function botLoop(options: RunBotOptions, bot: BotIdentity, onUsable: () => void): Loop {
  const { config, clock } = options;
  let wasUsable = false;
  return {
    name: BOT_LOOP,
    tries: BOT_TRIES,
    interval: config.renewalInterval,
    async work() {
      try {
        const notAfter = await bot.renew();
        const now = clock.now();
        return pauseAfterSuccess({ notBefore: now, notAfter }, config.renewalInterval, now);
      } finally {
        // A stored identity that could not be renewed still serves until it runs out.
        if (bot.isValid()) {
          wasUsable = true;
          onUsable();
        }
      }
    },
    isFatal: (error) => !wasUsable && !isPassing(error),
  };
}

function outputLoop(options: RunBotOptions, output: Output, bot: BotIdentity): Loop {
  const { service, destination } = output;
  const { clock, log } = options;
  return {
    name: service.name,
    tries: OUTPUT_TRIES,
    interval: service.renewalInterval,
    async work() {
      const notAfter = await renewOutput(service, destination, bot);
      logWritten(log, service, destination);
      const now = clock.now();
      return pauseAfterSuccess({ notBefore: now, notAfter }, service.renewalInterval, now);
    },
    isFatal: () => false,
  };
}

/** Whether a first join may succeed later without anyone doing anything. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof IdentityError)) return false;
  switch (error.code) {
    case "API_UNREACHABLE":
    case "API_PROTOCOL":
    case "CONFLICT":
    case "INTERNAL":
    case "RATE_LIMITED":
    case "UNAVAILABLE":
      return true;
    default:
      return false;
  }
}

function logWritten(log: Log, service: IdentityService, destination: Destination): void {
  log.info("identity written", { service: service.name, destination: destination.name });
}
