import { resolve } from "node:path";
import type { Clock } from "../clock.ts";
import type { Destination } from "../destination/destination.ts";
import { openDestination } from "../destination/open_destination.ts";
import type { Log } from "../log.ts";
import { Bell } from "./bell.ts";
import { runLoop, unlessAborted } from "./_loop.ts";
import type { Loop, LoopContext } from "./_loop.ts";
import { openBotIdentity } from "./bot_identity.ts";
import type { BotIdentity, Connect } from "./bot_identity.ts";
import { watchCaRotation } from "./ca_rotation.ts";
import type { BotConfig } from "./config.ts";
import { Heartbeat } from "./heartbeat.ts";
import { lockStorage } from "./lock.ts";
import type { Reload } from "./reload.ts";
import { isPassing } from "./refusals.ts";
import { followConfig } from "./follow_config.ts";
import type { ConfigSource } from "./follow_config.ts";
import { BOT_SERVICE, BotStatus } from "./status.ts";
import { Supervisor } from "./supervisor.ts";
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
  /** Where the configuration can be read again; it stays as it is without it. */
  readonly source?: ConfigSource;
  /** Called once the storage is this bot's alone, before it does anything. */
  readonly onStart?: () => Promise<void>;
  readonly log: Log;
  /** Hears how the services fare. */
  readonly status?: BotStatus;
  /** Makes the listeners of tunnels; without it there can be none. */
  readonly openTunnel?: OpenTunnel;
  /** Looks whether a CA of the cluster is being rotated; regular renewals alone without it. */
  readonly watchRotation?: boolean;
  /** From 0 to 1, as `Math.random` (default). */
  readonly random?: () => number;
}

/** Rounds of tries before a loop waits for its next turn. */
const BOT_TRIES = 7;
const SERVICE_TRIES = 5;

/** Joins, renews and writes until the signal ends it; in one-shot mode, once. */
export async function runBot(options: RunBotOptions): Promise<void> {
  const { config, log, onStart } = options;
  const storage = openDestination(config.storage, log);
  const supervisor = new Supervisor((service) => openWorker(service, options));
  await storage.prepare();
  const lock = config.storage.type === "directory"
    ? await lockStorage(resolve(config.storage.path))
    : undefined;
  try {
    await onStart?.();
    // Now rather than later: a join uses up its token.
    await (await supervisor.prepare(servicesOf(config, log))).commit();
    await (config.oneshot ? runOnce : runForever)(options, storage, supervisor);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    await supervisor.close();
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
  { workers }: Supervisor,
): Promise<void> {
  const bot = await openBotIdentity({ ...options, storage });
  await bot.renew();
  const status = options.status ?? new BotStatus(options.clock);
  status.expectServices(workers.map(({ service }) => service));
  status.succeeded(BOT_SERVICE, 1);
  for (const worker of workers) {
    await worker.renew(bot);
    status.succeeded(worker.service.name, 1);
  }
  const heartbeat = new Heartbeat({ ...options, config: () => options.config, bot, status });
  heartbeat.beat();
  await heartbeat.settled();
}

async function runForever(
  options: RunBotOptions,
  storage: Destination,
  supervisor: Supervisor,
): Promise<void> {
  const { source } = options;
  let { config } = options;
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
  context.status.expectServices(config.services);
  let failure: { readonly error: unknown } | undefined;
  // One loop that cannot go on ends the others, and then the bot.
  const guarded = (loop: Promise<void>) =>
    loop.catch((error) => {
      failure ??= { error };
      ended.abort(error);
    });
  try {
    const bot = await openBotIdentity({ ...options, storage, signal: ended.signal });
    heartbeat = new Heartbeat({ ...options, config: () => config, bot, status: context.status });
    const hooks = { onUsable: usable.resolve, onFresh: () => context.recovered.ring() };
    supervisor.run((worker, stopped) =>
      guarded(runWorker(worker, bot, usable.promise, {
        ...context,
        signal: AbortSignal.any([ended.signal, stopped]),
      }))
    );
    await Promise.all([
      guarded(runLoop(botLoop(() => config, bot, hooks), context)),
      ...(options.watchRotation
        ? [guarded(followRotation(options, bot, usable.promise, context))]
        : []),
      ...(source
        ? [guarded(followConfig({
          ...context,
          source,
          config,
          bot,
          supervisor,
          onTaken: (next) => void (config = next),
          // Also with what was there before: who asks for a reload wants everything fresh.
          onRead: () => void options.reload.request(),
        }))]
        : []),
    ]);
    await supervisor.close();
    if (failure) throw failure.error;
  } finally {
    await heartbeat?.settled();
    options.signal.removeEventListener("abort", end);
  }
}

async function runWorker(
  worker: Worker,
  bot: BotIdentity,
  usable: Promise<void>,
  context: LoopContext,
): Promise<void> {
  await unlessAborted(usable, context.signal).catch(() => {});
  await runLoop(workerLoop(worker, bot), context);
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
  config: () => BotConfig,
  bot: BotIdentity,
  { onFresh, onUsable }: BotHooks,
): Loop {
  let wasUsable = false;
  return {
    name: BOT_SERVICE,
    tries: BOT_TRIES,
    get interval() {
      return config().renewalInterval;
    },
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

function workerLoop(worker: Worker, bot: BotIdentity): Loop {
  return {
    get name() {
      return worker.service.name;
    },
    tries: SERVICE_TRIES,
    get interval() {
      return worker.service.renewalInterval;
    },
    work: () => worker.renew(bot),
    isFatal: () => false,
  };
}
