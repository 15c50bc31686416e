/** How tbot fares, told to whoever asks: over HTTP where the configuration says, and to systemd. */
import type { Clock, Log } from "../../identity/mod.ts";
import type { BotConfig, BotStatus, Iteration } from "../../identity/bot/mod.ts";
import { SystemdNotify } from "../systemd_notify.ts";
import { statusLine } from "./_tbot_status_line.ts";

export interface TbotDiagnostics extends AsyncDisposable {
  readonly status: BotStatus;
}

interface Around {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** The status of a bot that is about to run, told wherever somebody wants to hear it. */
export async function openTbotDiagnostics(
  config: BotConfig,
  { clock, env, log }: Around,
): Promise<TbotDiagnostics> {
  const { BotStatus } = await import("../../identity/bot/mod.ts");
  const systemd = SystemdNotify.open({ env, log });
  const counts: { onIteration?: (iteration: Iteration) => void } = {};
  const status: BotStatus = new BotStatus(clock, {
    onIteration: (iteration) => counts.onIteration?.(iteration),
    onChange: () => tell(systemd, status),
  });
  const server = await serve(config, { status, log }).catch(async (error: unknown) => {
    await systemd?.close();
    throw error;
  });
  if (server) counts.onIteration = server.onIteration;
  return {
    status,
    async [Symbol.asyncDispose]() {
      await Promise.all([server?.close(), systemd?.close()]);
    },
  };
}

function tell(systemd: SystemdNotify | undefined, { ready, services }: BotStatus): void {
  systemd?.say("STATUS", statusLine(services));
  if (ready) systemd?.say("READY", "1");
}

/** Loaded only when there is an address. */
async function serve(
  { diagnostics }: BotConfig,
  { log, status }: { readonly log: Log; readonly status: BotStatus },
) {
  if (diagnostics === undefined) return undefined;
  const { countIterations } = await import("./_tbot_metrics.ts");
  const { Registry, serveDiagnostics } = await import("../diagnostics.ts");
  const registry = new Registry();
  const onIteration = countIterations(registry, (name) => status.typeOf(name));
  const server = await serveDiagnostics(diagnostics, {
    services: () => status.services,
    registry,
  });
  log.info("Serving health and metrics", server.address);
  return { onIteration, close: () => server.close() };
}
