import { IdentityError } from "../../identity/mod.ts";
import type { Log } from "../../identity/mod.ts";
import type { OpenTunnel, ParsedConfig, Reload } from "../../identity/bot/mod.ts";
import { writePidFile } from "./_pid_file.ts";
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
  await run({ parsed: await read(), read, pidFile: options.pidFile }, globals, host);
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
  const parsed = parseBotConfig(text, "(options)", environmentKey(host.env));
  await run({ parsed, pidFile: service.options.pidFile }, globals, host);
}

interface Start {
  readonly parsed: ParsedConfig;
  /** Reads the configuration again; there is nothing to read without it. */
  readonly read?: () => Promise<ParsedConfig>;
  readonly pidFile: string | undefined;
}

async function run({ parsed, pidFile, read }: Start, globals: GlobalOptions, host: TbotHost) {
  const { createReload, runBot } = await import("../../identity/bot/mod.ts");
  const { config } = parsed;
  const log = host.openLog({ debug: config.debug, format: globals.logFormat });
  const warned = ({ config, warnings }: ParsedConfig) => {
    for (const warning of warnings) log.warn(warning);
    if (config.trust.kind === "insecure") {
      log.warn("the authority is not verified when joining: anyone on the way can read the token");
    }
    return config;
  };
  warned(parsed);
  const reload = createReload();
  const source = read && { reload: createReload(), read: async () => warned(await read()) };
  const onSignal = (asked: Reload) => () => {
    log.info("Received reload signal, queueing reload.");
    if (!asked.request()) log.warn("A reload is queued already, dropping this one.");
  };
  const stops = [
    host.onSignal("SIGHUP", onSignal(source?.reload ?? reload)),
    host.onSignal("SIGUSR1", onSignal(reload)),
    host.onClockJump((ms) => {
      log.warn("the machine slept or its clock was set, renewing", {
        seconds: Math.round(ms / 1000),
      });
      reload.request();
    }),
  ];
  let removePidFile: (() => Promise<void>) | undefined;
  try {
    const { clock, connect, signal } = host;
    await using diagnostics = await openTbotDiagnostics(config, { clock, env: host.env, log });
    const { status } = diagnostics;
    await runBot({
      config,
      connect,
      clock,
      signal,
      reload,
      ...(source && { source }),
      log,
      status,
      watchRotation: true,
      openTunnel: tunnelsOf(config, host, log),
      onStart: async () => {
        if (pidFile !== undefined) removePidFile = await writePidFile(pidFile);
      },
    });
  } finally {
    await removePidFile?.();
    for (const stop of stops) stop();
  }
}

/** How tunnels are made; what carries them is loaded only when there is one. */
function tunnelsOf(
  { proxyServer: proxy }: ParsedConfig["config"],
  { clock, connect, version }: TbotHost,
  log: Log,
): OpenTunnel {
  const common = { proxy, clock, log, client: `tbot/${version}`, connectAuthority: connect };
  return async ({ allowedHosts, app, listen, name }) => {
    const { Tunnel } = await import("../../relay/app_tunnel/mod.ts");
    return new Tunnel({ ...common, name, app, listen, allowedHosts });
  };
}
