import { IdentityError } from "../../identity/mod.ts";
import type { Clock, Log } from "../../identity/mod.ts";
import type {
  BotConfig,
  BotService,
  Connect,
  OpenTunnel,
  ParsedConfig,
} from "../../identity/bot/mod.ts";
import { ConfigFile } from "./_tbot_reload.ts";
import { readBotFile } from "./_tbot_file.ts";
import { openTbotDiagnostics } from "./_tbot_diagnostics.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { withJoinOptions } from "./_tbot_options.ts";
import type { GlobalOptions, JoinOptions, TbotRoot } from "./_tbot_options.ts";
import { addServices } from "./_tbot_services.ts";
import type { DescribedService } from "./_tbot_services.ts";

/** `tbot start`, from a configuration file, and `tbot start TYPE`, from options alone. */
export function addStart(root: TbotRoot, host: TbotHost): void {
  const start = withJoinOptions(root.command("start").description("Start the bot"))
    .option("--destination-dir <path>", "old form of `start identity --destination`")
    .option("--data-dir <path>", "old form of `start identity --storage`")
    .action(async (options) => {
      const globals = root.opts();
      const { destinationDir, dataDir, ...join } = options;
      if (destinationDir !== undefined) {
        const storage = dataDir === undefined ? {} : { storage: dataDir };
        const options = { ...join, ...storage, destination: destinationDir };
        return await startService({ type: "identity", options }, globals, host);
      }
      await startFromFile(join, globals, host);
    });
  addServices(start, {
    description: (what) => `Start the bot with ${what}, without a configuration file`,
    act: (service) => startService(service, root.opts(), host),
  });
}

async function startFromFile(
  options: JoinOptions,
  globals: GlobalOptions,
  host: TbotHost,
): Promise<void> {
  const { parseBotConfig } = await import("../../identity/bot/mod.ts");
  const { overrides } = await import("./_tbot_config.ts");
  const read = async () => {
    const { path, text } = await readBotFile(globals, host);
    return parseBotConfig(text, path, overrides({ ...options, ...globals }, host.env));
  };
  await run(await read(), globals, host, read);
}

async function startService(
  service: DescribedService,
  globals: GlobalOptions,
  host: TbotHost,
): Promise<void> {
  if (globals.config !== undefined) {
    throw new IdentityError(
      "CONFIG_INVALID",
      "Cannot start tbot: both a configuration file and an output are given",
      { hint: "Use `tbot start -c FILE`, or `tbot start identity` without -c" },
    );
  }
  const { parseBotConfig } = await import("../../identity/bot/mod.ts");
  const { configText, environmentKey } = await import("./_tbot_config.ts");
  // The places in its errors are those of what `tbot configure` prints for the same options.
  const text = configText(service, globals, host.env);
  await run(parseBotConfig(text, "(options)", environmentKey(host.env)), globals, host);
}

async function run(
  { config, warnings }: ParsedConfig,
  globals: GlobalOptions,
  host: TbotHost,
  reread?: () => Promise<ParsedConfig>,
): Promise<void> {
  const { Bell, createReload, runBot } = await import("../../identity/bot/mod.ts");
  const log = host.openLog({ debug: config.debug, format: globals.logFormat });
  for (const warning of warnings) log.warn(warning);
  if (config.trust.kind === "insecure") {
    log.warn("the authority is not verified when joining: anyone on the way can read the token");
  }
  const reload = createReload();
  const renew = () => {
    log.info("Received reload signal, queueing reload.");
    if (!reload.request()) log.warn("A reload is queued already, dropping this one.");
  };
  const { clock, connect, signal } = host;
  const tunnels = new Tunnels(config, host, log);
  await tunnels.load(config.services);
  await using diagnostics = await openTbotDiagnostics(config, { clock, env: host.env, log });
  const { status } = diagnostics;
  const changes = new Bell<readonly BotService[]>();
  const file = reread && new ConfigFile(config, { log, reread, status });
  const takeUp = async () => {
    const services = await file?.read();
    if (services === undefined) return;
    await tunnels.load(services);
    diagnostics.describe(services);
    changes.ring(services);
  };
  const stops = [
    host.onSignal("SIGUSR1", renew),
    host.onSignal("SIGHUP", () => {
      renew();
      takeUp().catch((error) => log.error("Cannot reload", { error: String(error) }));
    }),
    host.onClockJump((ms) => {
      log.warn("the machine slept or its clock was set, renewing", {
        seconds: Math.round(ms / 1000),
      });
      reload.request();
    }),
  ];
  try {
    await runBot({
      config,
      connect,
      clock,
      signal,
      reload,
      log,
      status,
      changes,
      watchRotation: true,
      openTunnel: tunnels.open,
    });
  } finally {
    for (const stop of stops) stop();
  }
}

/** How tunnels are made; what carries them is loaded only when there is one. */
class Tunnels {
  readonly #common: {
    proxy: string;
    clock: Clock;
    log: Log;
    client: string;
    connectAuthority: Connect;
  };
  #loaded: typeof import("../../relay/app_tunnel/mod.ts") | undefined;

  constructor(
    { proxyServer: proxy }: BotConfig,
    { clock, connect, version }: TbotHost,
    log: Log,
  ) {
    this.#common = { proxy, clock, log, client: `tbot/${version}`, connectAuthority: connect };
  }

  async load(services: readonly BotService[]): Promise<void> {
    if (!services.some(({ type }) => type === "application-tunnel")) return;
    this.#loaded ??= await import("../../relay/app_tunnel/mod.ts");
  }

  readonly open: OpenTunnel = ({ allowedHosts, app, listen, name }) =>
    new this.#loaded!.Tunnel({ ...this.#common, name, app, listen, allowedHosts });
}
