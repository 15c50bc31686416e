/** tbot's health and metrics: served where the configuration says, loaded only then. */
import type { Clock, Log } from "../../identity/mod.ts";
import type { BotConfig, BotStatus } from "../../identity/bot/mod.ts";

export interface TbotDiagnostics extends AsyncDisposable {
  readonly status: BotStatus;
}

/** The status of a bot that is about to run, served if its configuration has an address. */
export async function openTbotDiagnostics(
  { diagnostics, services }: BotConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<TbotDiagnostics> {
  const { BotStatus } = await import("../../identity/bot/mod.ts");
  if (diagnostics === undefined) {
    return { status: new BotStatus(clock), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const { countIterations } = await import("./_tbot_metrics.ts");
  const { Registry, serveDiagnostics } = await import("../diagnostics.ts");
  const registry = new Registry();
  const types = new Map<string, string>(services.map(({ name, type }) => [name, type]));
  const onIteration = countIterations(registry, (name) => types.get(name) ?? "internal/identity");
  const status = new BotStatus(clock, { onIteration });
  const server = await serveDiagnostics(diagnostics, {
    services: () => status.services,
    registry,
  });
  log.info("Serving health and metrics", server.address);
  return { status, [Symbol.asyncDispose]: () => server.close() };
}
