import { isDeepStrictEqual } from "node:util";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { BotConfig } from "./config.ts";
import type { Reload } from "./reload.ts";
import { type BotStatus, CONFIGURATION } from "./status.ts";
import type { Supervisor } from "./supervisor.ts";

/** Where a configuration comes from that may be read again. */
export interface ConfigSource {
  /** Asks for it. */
  readonly reload: Reload;
  /** Rejects with `CONFIG_INVALID` when it cannot be used. */
  read(): Promise<BotConfig>;
}

export interface FollowConfigOptions {
  readonly source: ConfigSource;
  readonly config: BotConfig;
  readonly bot: Pick<BotIdentity, "take">;
  readonly supervisor: Supervisor;
  readonly status: BotStatus;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called with each configuration that is in force from now on. */
  readonly onTaken: (config: BotConfig) => void;
  /** Called after each reading, whatever came of it. */
  readonly onRead: () => void;
}

/**
 * Reads the configuration again whenever it is asked to, until the signal is aborted. One that
 * cannot be used leaves the one before in force, whole, and that is said until there is a good one.
 */
export async function followConfig(options: FollowConfigOptions): Promise<void> {
  const { log, onRead, onTaken, signal, source, status } = options;
  let { config } = options;
  const read = async () => {
    source.reload.begun();
    try {
      const next = await source.read();
      refuseFixed(config, next);
      await change(options, next);
      config = next;
      onTaken(next);
      status.forget(CONFIGURATION);
      log.info("the configuration has been read again", { services: next.services.length });
    } catch (error) {
      if (signal.aborted) return;
      const found = error instanceof Error ? error.message : String(error);
      log.error("Cannot reload the configuration file; what was read before holds", { found });
      status.failed(CONFIGURATION, found, { tries: 1, givenUp: true });
    }
    onRead();
  };
  let last = Promise.resolve();
  const stop = source.reload.subscribe(() => {
    last = last.then(() => signal.aborted ? undefined : read());
  });
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve());
    if (signal.aborted) resolve();
  });
  stop();
  await last;
}

async function change(
  { bot, status, supervisor }: FollowConfigOptions,
  next: BotConfig,
): Promise<void> {
  const prepared = await supervisor.prepare(next.services);
  try {
    await bot.take(next);
  } catch (error) {
    await prepared.discard();
    throw error;
  }
  await prepared.commit();
  status.expectServices(next.services);
}

/** What everything else stands on, by the keys of the file. */
const FIXED = {
  proxyServer: "proxy_server",
  storage: "storage",
  oneshot: "oneshot",
  debug: "debug",
  diagnostics: "diag_addr",
} as const;

function refuseFixed(config: BotConfig, next: BotConfig): void {
  const changed = (Object.keys(FIXED) as (keyof typeof FIXED)[])
    .filter((key) => !isDeepStrictEqual(config[key], next[key]))
    .map((key) => `\`${FIXED[key]}\``);
  if (changed.length === 0) return;
  throw new IdentityError(
    "CONFIG_INVALID",
    `Cannot change ${changed.join(", ")} while tbot runs: restart it`,
    { hint: "Restart tbot, or put back what was there and reload" },
  );
}
