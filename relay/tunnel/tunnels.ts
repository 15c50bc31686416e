/**
 * The relay's end of the tunnels: agents dial in, and clients are sent to them over connections that
 * the agents have opened already, so that a session needs no round trip more than a direct one.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Log } from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import { type AdmissionLimits, type AdmissionOptions, AgentAdmission } from "./admit_agent.ts";
import { ControlLink } from "./control_link.ts";
import { dataHeader, newOffer, type Offer, openingId, provesOffer } from "./data_opening.ts";
import { joinStreams } from "./join_streams.ts";

/** The server name by which agents ask a relay for a control link. */
export const TUNNEL_NAME = "tunnel.postern.internal";

export interface TunnelsOptions extends Omit<AdmissionOptions, "limits"> {
  readonly log: Log;
  readonly limits?: Partial<TunnelLimits>;
}

export interface TunnelLimits extends AdmissionLimits {
  /** Connections that are kept open for each agent before there is a client. */
  readonly warm: number;
  /** Clients that may wait for a connection to one agent, and for how long in milliseconds. */
  readonly waiting: number;
  readonly waitMs: number;
  /** Agents at a time. */
  readonly agents: number;
  /** Milliseconds that an offer may stand. */
  readonly offerMs: number;
  /** Clients that are connected at a time. */
  readonly joined: number;
}

export const DEFAULT_TUNNEL_LIMITS: TunnelLimits = {
  warm: 8,
  waiting: 256,
  waitMs: 10_000,
  agents: 10_000,
  handshakes: { total: 1024, perSource: 128 },
  handshakeMs: 10_000,
  offerMs: 30_000,
  joined: 100_000,
};

interface Warm {
  readonly socket: Socket;
  readonly offer: Offer;
}

interface Client {
  readonly socket: Socket;
  readonly address: string;
  readonly gone: AbortController;
}

/** What the relay has of one agent. */
class AgentTunnel {
  link: ControlLink;
  readonly warm = new Set<Warm>();
  readonly clients = new Set<Client>();
  /** Offers that the agent has not taken up yet. */
  offered = 0;

  constructor(link: ControlLink) {
    this.link = link;
  }
}

export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #limits: TunnelLimits;
  readonly #admission: AgentAdmission;
  readonly #agents = new Map<string, AgentTunnel>();
  readonly #offers = new Map<string, { readonly agent: string; readonly offer: Offer }>();
  readonly #joined = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();
  readonly #closing = new AbortController();
  #draining = false;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_TUNNEL_LIMITS, ...options.limits };
    this.#admission = new AgentAdmission({ ...options, limits: this.#limits });
  }

  /** Agents that can be reached now. */
  get agents(): string[] {
    return [...this.#agents.keys()];
  }

  /** Clients that are connected to an agent. */
  get joined(): number {
    return this.#joined.size;
  }

  /** Takes a connection over on which an agent asks for a control link. */
  acceptLink = (socket: Socket, address: string): void => {
    this.#keep(socket);
    this.#link(socket, address).catch((error: unknown) => {
      this.#options.log.info("Refused a tunnel", {
        from: address,
        error: String(error),
      });
      socket.destroy();
    });
  };

  /** Who takes a data connection over that begins so; undefined when nobody has been offered it. */
  admit(opening: Buffer): ((socket: Socket) => void) | undefined {
    const id = openingId(opening);
    const known = this.#offers.get(id);
    if (known === undefined || !provesOffer(opening, known.offer)) return undefined;
    this.#offers.delete(id);
    const tunnel = this.#agents.get(known.agent);
    if (!tunnel) return undefined;
    tunnel.offered--;
    return (socket) => this.#warm(tunnel, { socket, offer: known.offer });
  }

  /** Takes a client over whose ticket leads to the agent; undefined when there is no way to it. */
  route(agent: string): ((socket: Socket, address: string) => void) | undefined {
    const tunnel = this.#agents.get(agent);
    if (!tunnel || this.#draining || this.#joined.size >= this.#limits.joined) return undefined;
    return (socket, address) => this.#send(tunnel, socket, address);
  }

  /**
   * Takes no more clients, and tells agents; resolves when those that are connected have gone, or
   * after so many milliseconds.
   */
  async drain(ms: number): Promise<void> {
    this.#draining = true;
    for (const { link } of this.#agents.values()) link.send({ drain: true });
    const enough = new AbortController();
    await Promise.race([
      Promise.all(this.#joined),
      this.#options.clock.sleep(ms, enough.signal).catch(() => {}),
    ]);
    enough.abort();
  }

  close(): void {
    this.#closing.abort();
    for (const { link } of this.#agents.values()) link.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #link(socket: Socket, address: string): Promise<void> {
    const { agent, notAfter, stream } = await this.#admission.admit(socket, address);
    if (!this.#agents.has(agent) && this.#agents.size >= this.#limits.agents) {
      throw new RelayError("ROUTE_REFUSED", "There are too many agents at this relay");
    }
    const ended = new AbortController();
    const link = new ControlLink(stream, {
      onMessage: () => {},
      onClose: () => {
        ended.abort();
        this.#lose(agent, link);
      },
    });
    const known = this.#agents.get(agent);
    const tunnel = known ?? new AgentTunnel(link);
    const before = known?.link;
    tunnel.link = link;
    this.#agents.set(agent, tunnel);
    // One link for each agent: the older one is most likely half open.
    before?.close();
    this.#options.log.info("An agent has opened a tunnel", { agent, from: address });
    if (this.#draining) link.send({ drain: true });
    else this.#offerMore(agent, tunnel);
    // The agent comes again with its next certificate.
    const life = notAfter.getTime() - this.#options.clock.now().getTime();
    this.#options.clock.sleep(Math.min(life, 0x7fffffff), ended.signal).then(
      () => link.close(),
      () => {},
    );
  }

  #offerMore(agent: string, tunnel: AgentTunnel): void {
    const wanted = this.#limits.warm + tunnel.clients.size - tunnel.warm.size - tunnel.offered;
    if (wanted <= 0 || this.#draining) return;
    const offers = Array.from({ length: wanted }, newOffer);
    for (const offer of offers) {
      this.#offers.set(offer.id, { agent, offer });
      this.#options.clock.sleep(this.#limits.offerMs, this.#closing.signal).then(
        () => this.#expire(offer.id),
        () => {},
      );
    }
    tunnel.offered += offers.length;
    tunnel.link.send({ offers });
  }

  /** An agent that does not come is asked again when there is a client. */
  #expire(id: string): void {
    const known = this.#offers.get(id);
    if (!known) return;
    this.#offers.delete(id);
    const tunnel = this.#agents.get(known.agent);
    if (!tunnel) return;
    tunnel.offered--;
    this.#offerMore(known.agent, tunnel);
  }

  #warm(tunnel: AgentTunnel, warm: Warm): void {
    const { socket } = warm;
    this.#keep(socket);
    socket.setKeepAlive(true, 30_000);
    const [client] = tunnel.clients;
    if (client) {
      tunnel.clients.delete(client);
      return this.#join(client, warm);
    }
    tunnel.warm.add(warm);
    // Read, so that its end is noticed; the agent has nothing to say before it is used.
    const onData = () => socket.destroy();
    socket.on("data", onData);
    socket.once("close", () => {
      if (!tunnel.warm.delete(warm)) return;
      const agent = this.#agentOf(tunnel);
      if (agent !== undefined) this.#offerMore(agent, tunnel);
    });
    socket.resume();
  }

  #send(tunnel: AgentTunnel, socket: Socket, address: string): void {
    this.#keep(socket);
    const client = { socket, address, gone: new AbortController() };
    const agent = this.#agentOf(tunnel);
    const [warm] = tunnel.warm;
    if (warm) {
      tunnel.warm.delete(warm);
      this.#join(client, warm);
      if (agent !== undefined) this.#offerMore(agent, tunnel);
      return;
    }
    if (agent === undefined || tunnel.clients.size >= this.#limits.waiting) {
      return void socket.destroy();
    }
    tunnel.clients.add(client);
    socket.once("close", () => {
      client.gone.abort();
      tunnel.clients.delete(client);
    });
    this.#options.clock.sleep(this.#limits.waitMs, client.gone.signal).then(
      () => tunnel.clients.delete(client) && socket.destroy(),
      () => {},
    );
    this.#offerMore(agent, tunnel);
  }

  #join({ address, gone, socket: client }: Client, { offer, socket }: Warm): void {
    gone.abort();
    socket.removeAllListeners("data");
    socket.pause();
    socket.write(dataHeader({ address }, offer));
    const joined = joinStreams(client, socket).finally(() => this.#joined.delete(joined));
    this.#joined.add(joined);
  }

  #agentOf(tunnel: AgentTunnel): string | undefined {
    for (const [agent, each] of this.#agents) if (each === tunnel) return agent;
    return undefined;
  }

  #lose(agent: string, link: ControlLink): void {
    const tunnel = this.#agents.get(agent);
    if (tunnel?.link !== link) return;
    this.#agents.delete(agent);
    for (const { socket } of [...tunnel.warm]) socket.destroy();
    for (const { socket } of [...tunnel.clients]) socket.destroy();
    for (const [id, offer] of this.#offers) if (offer.agent === agent) this.#offers.delete(id);
    this.#options.log.info("The tunnel of an agent is gone", { agent });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
