import { IdentityError } from "../../identity/mod.ts";
import type { ParsedConfig } from "../../identity/bot/mod.ts";
import { readBotFile } from "./_tbot_file.ts";
import { openTbotDiagnostics } from "./_tbot_diagnostics.ts";
import type { TbotHost } from "./_tbot_host.ts";
import { withIdentityOptions, withJoinOptions } from "./_tbot_options.ts";
import type { GlobalOptions, IdentityOptions, JoinOptions, TbotRoot } from "./_tbot_options.ts";
import { refuseUnsupportedServices } from "./_tbot_unsupported.ts";

/** `tbot start`, from a configuration file, and `tbot start identity`, from options alone. */
export function addStart(root: TbotRoot, host: TbotHost): void {
  const start = withJoinOptions(root.command("start").description("Start the bot"))
    .option("--destination-dir <path>", "old form of `start identity --destination`")
    .option("--data-dir <path>", "old form of `start identity --storage`")
    .action(async (options) => {
      const globals = root.opts();
      const { destinationDir, dataDir, ...join } = options;
      if (destinationDir !== undefined) {
        const storage = dataDir === undefined ? {} : { storage: dataDir };
        return await startIdentity(
          { ...join, ...storage, destination: destinationDir },
          globals,
          host,
        );
      }
      await startFromFile(join, globals, host);
    });
  withIdentityOptions(start.command("identity").aliases(["ssh", "id"]))
    .description("Start the bot with one identity output, without a configuration file")
    .action((_, command) =>
      startIdentity({ ...start.opts(), ...command.opts() }, root.opts(), host)
    );
  refuseUnsupportedServices(start);
}

async function startFromFile(
  options: JoinOptions,
  globals: GlobalOptions,
  host: TbotHost,
): Promise<void> {
  const { path, text } = await readBotFile(globals, host);
  const { parseBotConfig } = await import("../../identity/bot/mod.ts");
  const { overrides } = await import("./_tbot_config.ts");
  await run(
    parseBotConfig(text, path, overrides({ ...options, ...globals }, host.env)),
    globals,
    host,
  );
}

async function startIdentity(
  options: IdentityOptions,
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
  const { identityConfigText } = await import("./_tbot_config.ts");
  // The places in its errors are those of what `tbot configure` prints for the same options.
  const text = identityConfigText({ ...options, ...globals }, host.env);
  await run(parseBotConfig(text, "(options)"), globals, host);
}

async function run(
  { config, warnings }: ParsedConfig,
  globals: GlobalOptions,
  host: TbotHost,
): Promise<void> {
  const { createReload, runBot } = await import("../../identity/bot/mod.ts");
  const log = host.openLog({ debug: config.debug, format: globals.logFormat });
  for (const warning of warnings) log.warn(warning);
  if (config.trust.kind === "insecure") {
    log.warn("the authority is not verified when joining: anyone on the way can read the token");
  }
  const reload = createReload();
  const onReload = () => {
    log.info("Received reload signal, queueing reload.");
    if (!reload.request()) log.warn("A reload is queued already, dropping this one.");
  };
  const stops = (["SIGHUP", "SIGUSR1"] as const).map((name) => host.onSignal(name, onReload));
  try {
    const { clock, connect, signal } = host;
    await using diagnostics = await openTbotDiagnostics(config, { clock, log });
    const { status } = diagnostics;
    await runBot({ config, connect, clock, signal, reload, log, status });
  } finally {
    for (const stop of stops) stop();
  }
}
