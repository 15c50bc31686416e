import type { BotConfig, BotService, BotStatus, ParsedConfig } from "../../identity/bot/mod.ts";
import { IdentityError, type Log } from "../../identity/mod.ts";

export interface ConfigFileOptions {
  readonly log: Log;
  readonly reread: () => Promise<ParsedConfig>;
  readonly status: BotStatus;
}

/** What can be changed while tbot runs; all else needs a restart. */
const LIVE: ReadonlySet<keyof BotConfig> = new Set(["services", "debug"]);

/** The configuration file of a running tbot, as it was when it was read last. */
export class ConfigFile {
  readonly #options: ConfigFileOptions;
  readonly #started: BotConfig;

  constructor(started: BotConfig, options: ConfigFileOptions) {
    this.#started = started;
    this.#options = options;
  }

  /** The services as the file has them now; what is wrong is told, and changes nothing. */
  async read(): Promise<readonly BotService[] | undefined> {
    const { log, reread, status } = this.#options;
    try {
      const { config, warnings } = await reread();
      for (const warning of warnings) log.warn(warning);
      const fixed = changed(this.#started, config).filter((key) => !LIVE.has(key));
      if (fixed.length > 0) {
        log.warn("the configuration file has changed in what needs a restart of tbot", {
          changed: fixed.join(", "),
        });
      }
      return config.services;
    } catch (error) {
      const found = error instanceof IdentityError
        ? error.message
        : `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      log.error("Cannot reload the configuration file; what was read before holds", { found });
      status.note("configuration", found);
      return undefined;
    }
  }
}

function changed(one: BotConfig, other: BotConfig): (keyof BotConfig)[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof BotConfig>;
  return [...keys].filter((key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]));
}
