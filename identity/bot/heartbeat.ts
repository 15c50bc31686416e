/** Tells the authority how this machine's bot fares. What cannot be told now is told next time. */
import { hostname } from "node:os";
import type { HeartbeatRequest } from "../authority/api.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { VERSION } from "../version.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { BotConfig } from "./config.ts";
import type { BotStatus } from "./status.ts";

export interface HeartbeatOptions {
  /** As it is now. */
  readonly config: () => BotConfig;
  readonly bot: BotIdentity;
  readonly status: BotStatus;
  readonly clock: Clock;
  readonly log: Log;
}

/** Services and characters that the authority takes. */
const MAX_SERVICES = 100;
const MAX_REASON = 500;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #started: Date;
  #sending: Promise<void> | undefined;
  #again = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#started = options.clock.now();
  }

  /** Says how things are now; while it is being said, later words become one. */
  beat(): void {
    if (this.#sending) {
      this.#again = true;
      return;
    }
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.beat();
    });
  }

  /** Resolves once everything that was to be said has been, or could not be. */
  async settled(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  async #send(): Promise<void> {
    const { bot, log } = this.#options;
    try {
      await bot.tell((client) => client.heartbeat(this.#words()));
    } catch (error) {
      log.debug("the authority was not told how this bot fares", { found: String(error) });
    }
  }

  #words(): HeartbeatRequest {
    const { status } = this.#options;
    const config = this.#options.config();
    const { lastError } = status;
    return {
      version: VERSION,
      hostname: hostname().slice(0, 255),
      started: this.#started.toISOString(),
      oneshot: config.oneshot,
      interval: Math.ceil(config.renewalInterval / 1_000),
      services: Object.entries(status.services).slice(0, MAX_SERVICES)
        .map(([name, { reason, ...service }]) => ({
          name,
          type: status.typeOf(name),
          status: service.status,
          ...(reason !== undefined && { reason: reason.slice(0, MAX_REASON) }),
        })),
      ...(lastError && {
        last_error: {
          service: lastError.service,
          reason: lastError.reason.slice(0, MAX_REASON),
          at: lastError.at.toISOString(),
        },
      }),
    };
  }
}
