/** The public port of a relay: clients, agents that dial in, and whoever wants the authority. */
import type { Socket } from "node:net";
import { isTicketName, readTicket } from "../../identity/authority/mod.ts";
import { FORWARDED_BYTES, FORWARDED_MAGIC } from "../../identity/mod.ts";
import type { Agent } from "../../relay/agent/mod.ts";
import { type Listener, startListener } from "../../relay/proxy/mod.ts";
import { DATA_MAGIC, DATA_OPENING_BYTES, TUNNEL_NAME, Tunnels } from "../../relay/tunnel/mod.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import type { RelayHome } from "./_home.ts";

export interface RunningRelay extends Listener {
  /** Takes nobody more; resolves when those that are connected to other processes have gone. */
  drain(ms: number): Promise<void>;
  readonly tunnels: Tunnels;
}

/** The agent of this process, which connections are handed to as they are. */
export interface NearAgent {
  readonly agent: Agent;
  readonly host: string;
}

/** Said so many times before the lease could end. */
const TIMES_A_LEASE = 3;
const RETRY_MS = 5_000;

export async function runRelay(
  home: RelayHome,
  config: Pick<ClusterConfig, "balancers" | "listen">,
  near: NearAgent | undefined,
): Promise<RunningRelay> {
  const { clock, log } = home;
  const tunnels = new Tunnels({
    cluster: home.cluster,
    hostCredentials: home.credentials,
    hostCas: () => home.facts().hostCas,
    clock,
    log,
  });
  const listener = await startListener({
    ...config.listen,
    ...(config.balancers && { balancers: config.balancers }),
    log,
    route: (servername) => {
      if (servername === TUNNEL_NAME) return tunnels.acceptLink;
      // Any name of a host will do: the authority says by its certificate who it is.
      if (servername === undefined || !isTicketName(servername)) return home.toAuthority;
      for (const key of home.facts().ticketKeys) {
        const ticket = readTicket(servername, key, clock.now());
        if (ticket === undefined) continue;
        if (ticket.agent !== near?.host) return tunnels.route(ticket.agent);
        return (socket: Socket, address: string) => near.agent.accept(socket, { address });
      }
      return undefined;
    },
    preambles: [{
      magic: DATA_MAGIC,
      bytes: DATA_OPENING_BYTES,
      route: (bytes) => tunnels.admit(bytes),
    }, {
      magic: FORWARDED_MAGIC,
      bytes: FORWARDED_BYTES,
      route: home.forwardedToAuthority,
    }],
  });
  let draining = false;
  return {
    address: listener.address,
    tunnels,
    async drain(ms) {
      if (draining) return;
      draining = true;
      await listener.close();
      await tunnels.drain(ms);
    },
    async close() {
      await listener.close();
      tunnels.close();
    },
  };
}

/** Keeps the cluster knowing where agents can dial the relay, until the signal is aborted. */
export async function presentRelay(
  { clock, log, presentRelay }: RelayHome,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  let wait = (await presentRelay(addresses)).lease / TIMES_A_LEASE;
  const repeat = async () => {
    while (!signal.aborted) {
      await clock.sleep(wait, signal);
      try {
        wait = (await presentRelay(addresses)).lease / TIMES_A_LEASE;
      } catch (error) {
        wait = RETRY_MS;
        log.warn("Cannot tell the cluster where this relay is", { error: String(error) });
      }
    }
  };
  repeat().catch(() => {});
}
