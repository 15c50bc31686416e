import { isDeepStrictEqual } from "node:util";
import { openDestination } from "../destination/open_destination.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { BotService, OutputService, TunnelService } from "./config.ts";
import { renewOutput } from "./output.ts";
import { renewTunnel } from "./tunnel.ts";
import type { OpenTunnel } from "./tunnel.ts";

/** One service at work: what the loops know of it. */
export interface Worker {
  /** As it is configured now. */
  readonly service: BotService;
  /** Whether it can go on as this service. */
  fits(service: BotService): boolean;
  /** Goes on as this service, from its next round; only for what fits. */
  take(service: BotService): void;
  /** Makes sure that it could do its work, before anything is issued for it. */
  prepare(): Promise<void>;
  /** Fetches fresh credentials and puts them to use; returns the milliseconds they are good for. */
  renew(bot: BotIdentity): Promise<number>;
  close(): Promise<void>;
}

interface WorkerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly openTunnel?: OpenTunnel | undefined;
}

/** The worker of a service; nothing is touched yet. */
export async function openWorker(service: BotService, options: WorkerOptions): Promise<Worker> {
  return service.type === "application-tunnel"
    ? await tunnelWorker(service, options)
    : outputWorker(service, options);
}

async function tunnelWorker(
  first: TunnelService,
  { clock: { now }, openTunnel }: WorkerOptions,
): Promise<Worker> {
  let service = first;
  if (!openTunnel) {
    throw new IdentityError("INTERNAL", `Cannot run "${service.name}": there are no tunnels here`);
  }
  const tunnel = await openTunnel(service);
  let listens = false;
  const prepare = async () => {
    if (!listens) await tunnel.listen();
    listens = true;
  };
  return {
    get service() {
      return service;
    },
    fits: (other) =>
      other.type === first.type && other.app === first.app &&
      isDeepStrictEqual([other.listen, other.allowedHosts], [first.listen, first.allowedHosts]),
    take: (other) => void (service = other as TunnelService),
    prepare,
    async renew(bot) {
      // Another tunnel may have had the port until now.
      await prepare();
      return await renewTunnel(service, tunnel, { bot, now });
    },
    close: () => tunnel.close(),
  };
}

function outputWorker(first: OutputService, { clock: { now }, log }: WorkerOptions): Worker {
  let service = first;
  const destination = openDestination(service.destination, log);
  return {
    get service() {
      return service;
    },
    fits: (other) =>
      other.type === first.type && isDeepStrictEqual(other.destination, first.destination),
    take: (other) => void (service = other as OutputService),
    prepare: () => destination.prepare(),
    async renew(bot) {
      const life = await renewOutput(service, destination, { bot, now });
      log.info("identity written", { service: service.name, destination: destination.name });
      return life;
    },
    close: () => Promise.resolve(),
  };
}
