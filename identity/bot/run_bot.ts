import { resolve } from "node:path";
import type { Clock } from "../clock.ts";
import type { Destination } from "../destination/destination.ts";
import { openDestination } from "../destination/open_destination.ts";
import type { Log } from "../log.ts";
import { Bell } from "./bell.ts";
import { runLoop } from "./_loop.ts";
import type { Loop, LoopContext } from "./_loop.ts";
import { openBotIdentity } from "./bot_identity.ts";
import type { BotIdentity, Connect } from "./bot_identity.ts";
import { watchCaRotation } from "./ca_rotation.ts";
import type { BotConfig, BotService } from "./config.ts";
import { Heartbeat } from "./heartbeat.ts";
import { lockStorage } from "./lock.ts";
import type { Reload } from "./reload.ts";
import { RunningServices } from "./running_services.ts";
import { isPassing } from "./refusals.ts";
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
  /** Rings with the services as they are to be from now on. */
  readonly changes?: Bell<readonly BotService[]>;
  /** Looks whether a CA of the cluster is being rotated; regular renewals alone without it. */
  readonly watchRotation?: boolean;
  /** From 0 to 1, as `Math.random` (default). */
  readonly random?: () => number;
}

/** The name that the bot's own identity has among the services: the original's. */
const BOT_LOOP = "identity";

/** Rounds of tries before the loop waits for its next turn. */
const BOT_TRIES = 7;

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
  const status = options.status ?? new BotStatus(options.clock);
  for (const name of [BOT_LOOP, ...workers.map(({ service }) => service.name)]) status.expect(name);
  status.succeeded(BOT_LOOP, 1);
  for (const worker of workers) {
    await worker.renew(bot);
    status.succeeded(worker.service.name, 1);
  }
  const heartbeat = new Heartbeat({ ...options, bot, status });
  heartbeat.beat();
  await heartbeat.settled();
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
  let heartbeat: Heartbeat | undefined;
  const context: LoopContext = {
    clock: options.clock,
    signal: ended.signal,
    reload: options.reload,
    recovered: new Bell(),
    onRound: () => heartbeat?.beat(),
    random: options.random ?? Math.random,
    log: options.log,
    status: options.status ?? new BotStatus(options.clock),
  };
  context.status.expect(BOT_LOOP);
  let services: RunningServices | undefined;
  let stopHearing: (() => void) | undefined;
  try {
    const bot = await openBotIdentity({ ...options, storage, signal: ended.signal });
    heartbeat = new Heartbeat({ ...options, bot, status: context.status });
    const hooks = { onUsable: usable.resolve, onFresh: () => context.recovered.ring() };
    // One loop that cannot go on ends the others, and then the bot.
    const onFailed = (error: unknown) => ended.abort(error);
    const running = services = new RunningServices({
      context,
      bot,
      usable: usable.promise,
      open: (service) => openWorker(service, options),
      onFailed,
    });
    for (const worker of workers) running.begin(worker);
    stopHearing = options.changes?.subscribe((wanted) => {
      running.change(wanted).catch(onFailed);
    });
    await Promise.all([
      runLoop(botLoop(options, bot, hooks), context).catch(onFailed),
      ...(options.watchRotation
        ? [followRotation(options, bot, usable.promise, context).catch(onFailed)]
        : []),
    ]);
    if (ended.signal.reason !== options.signal.reason) throw ended.signal.reason;
  } finally {
    stopHearing?.();
    await services?.close();
    await heartbeat?.settled();
    options.signal.removeEventListener("abort", end);
  }
}

async function followRotation(
  { config: { renewalInterval } }: RunBotOptions,
  bot: BotIdentity,
  usable: Promise<void>,
  context: LoopContext,
): Promise<void> {
  await usable;
  await watchCaRotation({ ...context, bot, renewalInterval });
}

interface BotHooks {
  /** There is an identity to issue outputs with. */
  readonly onUsable: () => void;
  /** The authority answers, and the identity is a new one. */
  readonly onFresh: () => void;
}

function botLoop(
  { config }: RunBotOptions,
  bot: BotIdentity,
  { onFresh, onUsable }: BotHooks,
): Loop {
  let wasUsable = false;
  return {
    name: BOT_LOOP,
    tries: BOT_TRIES,
    interval: config.renewalInterval,
    async work() {
      try {
        const life = await bot.renew();
        onFresh();
        return life;
      } finally {
        // A stored identity that could not be renewed still serves until it runs out.
        if (bot.isValid()) {
          wasUsable = true;
          onUsable();
        }
      }
    },
    left: () => bot.left(),
    isFatal: (error) => !wasUsable && !isPassing(error),
  };
}
