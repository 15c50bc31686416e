import { openDestination } from "../destination/open_destination.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { BotService } from "./config.ts";
import { renewOutput } from "./output.ts";
import { renewTunnel } from "./tunnel.ts";
import type { OpenTunnel } from "./tunnel.ts";

/** One service at work: what the loops know of it. */
export interface Worker {
  readonly service: BotService;
  /** Makes sure that it could do its work, before anything is issued for it. */
  prepare(): Promise<void>;
  /** Fetches fresh credentials and puts them to use; returns the milliseconds they are good for. */
  renew(bot: BotIdentity): Promise<number>;
  close(): Promise<void>;
}

/** The worker of a service; nothing is touched yet. */
export function openWorker(
  service: BotService,
  { clock: { now }, log, openTunnel }: {
    readonly clock: Clock;
    readonly log: Log;
    readonly openTunnel?: OpenTunnel | undefined;
  },
): Worker {
  if (service.type === "application-tunnel") {
    if (!openTunnel) {
      throw new IdentityError(
        "INTERNAL",
        `Cannot run "${service.name}": there are no tunnels here`,
      );
    }
    const tunnel = openTunnel(service);
    let listening: Promise<void> | undefined;
    let closed: Promise<void> | undefined;
    const listen = () =>
      listening ??= tunnel.listen().catch((error) => {
        listening = undefined;
        throw error;
      });
    return {
      service,
      prepare: listen,
      async renew(bot) {
        await listen();
        return await renewTunnel(service, tunnel, { bot, now });
      },
      close: () => closed ??= tunnel.close(),
    };
  }
  const destination = openDestination(service.destination, log);
  return {
    service,
    prepare: () => destination.prepare(),
    async renew(bot) {
      const life = await renewOutput(service, destination, { bot, now });
      log.info("identity written", { service: service.name, destination: destination.name });
      return life;
    },
    close: () => Promise.resolve(),
  };
}
