/** The services of a bot at work: a loop for each, begun and ended while the others go on. */
import { type Loop, type LoopContext, runLoop } from "./_loop.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { BotService } from "./config.ts";
import type { Worker } from "./worker.ts";

/** Rounds of tries before a loop waits for its next turn. */
const SERVICE_TRIES = 5;

interface Running {
  readonly worker: Worker;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export interface RunningServicesOptions {
  readonly context: LoopContext;
  readonly bot: BotIdentity;
  /** Resolves once there is an identity to issue with. */
  readonly usable: Promise<void>;
  readonly open: (service: BotService) => Worker;
  /** Hears of a loop that cannot go on. */
  readonly onFailed: (error: unknown) => void;
}

export class RunningServices {
  readonly #options: RunningServicesOptions;
  readonly #running = new Map<string, Running>();
  #changing: Promise<void> = Promise.resolve();

  constructor(options: RunningServicesOptions) {
    this.#options = options;
  }

  /** Begins the work of a service that is prepared. */
  begin(worker: Worker): void {
    const { context, onFailed } = this.#options;
    const { name } = worker.service;
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    context.status.expect(name);
    const ended = this.#work(worker, { ...context, signal }).catch(onFailed);
    this.#running.set(name, { worker, stop, ended });
  }

  /**
   * Makes these the services: those that are the same go on untouched, the others end, and new ones
   * begin. What cannot begin yet is tried again like a renewal.
   */
  change(services: readonly BotService[]): Promise<void> {
    return this.#changing = this.#changing.then(async () => {
      const wanted = new Map(services.map((service) => [service.name, service]));
      // An address or a directory may pass from one to the other.
      for (const [name, { worker }] of [...this.#running]) {
        if (!same(worker.service, wanted.get(name))) await this.#end(name);
      }
      for (const service of services) {
        if (this.#running.has(service.name) || this.#options.context.signal.aborted) continue;
        this.begin(this.#options.open(service));
      }
    });
  }

  /** Resolves when none works any more, and closes them; their signal has to be aborted before. */
  async close(): Promise<void> {
    await this.#changing;
    await Promise.all([...this.#running.keys()].map((name) => this.#end(name)));
  }

  async #end(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (!running) return;
    running.stop.abort();
    await running.ended;
    await running.worker.close();
    this.#running.delete(name);
    this.#options.context.status.forget(name);
  }

  async #work(worker: Worker, context: LoopContext): Promise<void> {
    await Promise.race([this.#options.usable, aborted(context.signal)]);
    await runLoop(workerLoop(worker, this.#options.bot), context);
  }
}

function workerLoop(worker: Worker, bot: BotIdentity): Loop {
  const { service } = worker;
  return {
    name: service.name,
    tries: SERVICE_TRIES,
    interval: service.renewalInterval,
    work: () => worker.renew(bot),
    isFatal: () => false,
  };
}

/** Services are plain data. */
function same(one: BotService, other: BotService | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
