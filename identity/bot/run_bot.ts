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
import type { BotConfig } from "./config.ts";
import { lockStorage } from "./lock.ts";
import type { Reload } from "./reload.ts";
import { pauseAfterSuccess } from "./schedule.ts";
import { BotStatus } from "./status.ts";
import type { OpenTunnel } from "./tunnel.ts";
import { openWorker } from "./worker.ts";
import type { Worker } from "./worker.ts";

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
  /** Makes the listeners of tunnels; without it there can be none. */
  readonly openTunnel?: OpenTunnel;
  /** From 0 to 1, as `Math.random` (default). */
  readonly random?: () => number;
}

/** The name that the bot's own identity has among the services: the original's. */
const BOT_LOOP = "identity";

/** Rounds of tries before a loop waits for its next turn. */
const BOT_TRIES = 7;
const SERVICE_TRIES = 5;

/** Joins, renews and writes until the signal ends it; in one-shot mode, once. */
export async function runBot(options: RunBotOptions): Promise<void> {
  const { config, log } = options;
  const storage = openDestination(config.storage, log);
  const workers = servicesOf(config, log).map((service) => openWorker(service, options));
  await storage.prepare();
  const lock = config.storage.type === "directory"
    ? await lockStorage(resolve(config.storage.path))
    : undefined;
  try {
    // Now rather than later: a join uses up its token.
    for (const worker of workers) await worker.prepare();
    await (config.oneshot ? runOnce : runForever)(options, storage, workers);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    lock?.release();
  }
}

/** In one-shot mode nobody would be there to serve a tunnel. */
function servicesOf({ oneshot, services }: BotConfig, log: Log): BotConfig["services"] {
  if (!oneshot) return services;
  return services.filter(({ name, type }) => {
    if (type !== "application-tunnel") return true;
    log.warn("a tunnel is left out in one-shot mode", { service: name });
    return false;
  });
}

async function runOnce(
  options: RunBotOptions,
  storage: Destination,
  workers: readonly Worker[],
): Promise<void> {
  const bot = await openBotIdentity({ ...options, storage });
  await bot.renew();
  for (const worker of workers) await worker.renew(bot);
}

async function runForever(
  options: RunBotOptions,
  storage: Destination,
  workers: readonly Worker[],
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
  for (const { service } of workers) context.status.expect(service.name);
  try {
    const bot = await openBotIdentity({ ...options, storage, signal: ended.signal });
    const loops = [
      runLoop(botLoop(options, bot, usable.resolve), context),
      ...workers.map(async (worker) => {
        await usable.promise;
        await runLoop(workerLoop(options, worker, bot), context);
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

function workerLoop({ clock }: RunBotOptions, worker: Worker, bot: BotIdentity): Loop {
  const { service } = worker;
  return {
    name: service.name,
    tries: SERVICE_TRIES,
    interval: service.renewalInterval,
    async work() {
      const notAfter = await worker.renew(bot);
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
