/**
 * The agent's end of the tunnels: it dials every relay of the cluster, keeps a control link to each,
 * and opens the connections that they offer. Nothing listens here.
 */
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { parseProxy } from "../../identity/mod.ts";
import type { Clock, Log } from "../../identity/mod.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import { RelayError } from "../error.ts";
import { ControlLink } from "./control_link.ts";
import { dataOpening, type Offer, readDataHeader } from "./data_opening.ts";
import { TUNNEL_NAME } from "./tunnels.ts";

export interface RelayAddress {
  /** The relay's host id. */
  readonly host: string;
  /** `host:port`, the first that answers is used. */
  readonly addresses: readonly string[];
}

export interface DialRelaysOptions {
  readonly cluster: string;
  /** The relays of now. */
  readonly relays: () => readonly RelayAddress[];
  /** Calls the listener when there may be others. */
  readonly onRelays: (listener: () => void) => () => void;
  readonly hostCredentials: () => { readonly certificate: string; readonly key: string };
  readonly hostCas: () => readonly string[];
  /** Takes over a connection on which a client's TLS ClientHello comes next. */
  readonly accept: (socket: Duplex, from: { readonly address: string }) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

const CONNECT_MS = 10_000;
const MIN_WAIT_MS = 200;
const MAX_WAIT_MS = 15_000;
/** Connections that one relay may have open before they are used; it asks for a few. */
const MAX_IDLE = 1024;

export class RelayDialler {
  readonly #options: DialRelaysOptions;
  readonly #relays = new Map<string, AbortController>();
  readonly #stopFollowing: () => void;
  readonly #connected = new Set<string>();

  constructor(options: DialRelaysOptions) {
    this.#options = options;
    this.#stopFollowing = options.onRelays(() => this.#follow());
    this.#follow();
  }

  /** Relays to which there is a link now. */
  get connected(): readonly string[] {
    return [...this.#connected];
  }

  /** Ends links and idle connections; those in use belong to the agent. */
  close(): void {
    this.#stopFollowing();
    for (const stop of this.#relays.values()) stop.abort();
    this.#relays.clear();
  }

  #follow(): void {
    const wanted = new Map(this.#options.relays().map((relay) => [relay.host, relay]));
    for (const [host, stop] of this.#relays) {
      if (wanted.has(host)) continue;
      stop.abort();
      this.#relays.delete(host);
    }
    for (const host of wanted.keys()) {
      if (this.#relays.has(host)) continue;
      const stop = new AbortController();
      this.#relays.set(host, stop);
      this.#keepLink(host, stop.signal).catch(() => {});
    }
  }

  async #keepLink(host: string, signal: AbortSignal): Promise<void> {
    const { clock, log, random = Math.random, relays } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      try {
        const addresses = relays().find((relay) => relay.host === host)?.addresses ?? [];
        const { stream, address } = await this.#dial(host, addresses, signal);
        log.info("Connected to a relay", { relay: host, address });
        failures = 0;
        await this.#serve(host, stream, address, signal);
        log.info("The link to a relay has ended", { relay: host });
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot reach a relay", { relay: host, error: String(error) });
      }
      const most = Math.min(MIN_WAIT_MS * 2 ** failures++, MAX_WAIT_MS);
      await clock.sleep(most / 2 + random() * most / 2, signal);
    }
  }

  async #dial(
    host: string,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<{ stream: tls.TLSSocket; address: string }> {
    let failure: unknown = new RelayError("UNREACHABLE", "The relay has no address");
    for (const address of addresses) {
      try {
        return { stream: await this.#handshake(host, address, signal), address };
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #handshake(host: string, address: string, signal: AbortSignal): Promise<tls.TLSSocket> {
    const { cluster, hostCas, hostCredentials } = this.#options;
    const { certificate, key } = hostCredentials();
    const stream = tls.connect({
      ...parseProxy(address),
      servername: TUNNEL_NAME,
      cert: certificate,
      key,
      ca: [...hostCas()],
      minVersion: "TLSv1.3",
      // Its SPIFFE ID says who it is, and not a name.
      checkServerIdentity: () => undefined,
    });
    return new Promise<tls.TLSSocket>((resolve, reject) => {
      const fail = (found: string) => {
        stream.destroy();
        reject(new RelayError("UNREACHABLE", `Cannot use the relay at ${address}: ${found}`));
      };
      const onAbort = () => fail("stopping");
      const timer = setTimeout(() => fail("no answer in time"), CONNECT_MS);
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      stream.on("error", (error: Error) => {
        settle();
        fail(error.message);
      });
      stream.once("close", () => {
        settle();
        fail("it has closed the connection");
      });
      stream.once("secureConnect", () => {
        settle();
        if (!stream.authorized) return fail("its certificate is not of this cluster");
        const { claims, cluster: of } = readCertificate(stream.getPeerCertificate().raw);
        const expected = claims.kind === "host" && claims.role === "relay" &&
          claims.host === host && of === cluster;
        if (!expected) return fail("it is another than the cluster says");
        resolve(stream);
      });
    });
  }

  /** Resolves when the link has ended. */
  #serve(
    relay: string,
    stream: tls.TLSSocket,
    address: string,
    signal: AbortSignal,
  ): Promise<void> {
    const idle = new Set<net.Socket>();
    this.#connected.add(relay);
    return new Promise((resolve) => {
      const end = () => link.close();
      const link = new ControlLink(stream, {
        onMessage: (message) => {
          if ("offers" in message) {
            for (const offer of message.offers) {
              if (idle.size < MAX_IDLE) this.#open({ relay, address, offer, idle });
            }
          }
          // Connections in use go on; the relay will not use the others any more.
          if ("drain" in message) { for (const socket of idle) socket.destroy(); }
        },
        onClose: () => {
          this.#connected.delete(relay);
          signal.removeEventListener("abort", end);
          for (const socket of idle) socket.destroy();
          resolve();
        },
      });
      signal.addEventListener("abort", end, { once: true });
    });
  }

  #open(
    { address, idle, offer, relay }: {
      readonly address: string;
      readonly idle: Set<net.Socket>;
      readonly offer: Offer;
      readonly relay: string;
    },
  ): void {
    const { accept, log } = this.#options;
    const socket = net.connect({ ...parseProxy(address), noDelay: true });
    idle.add(socket);
    socket.setKeepAlive(true, 30_000);
    socket.on("error", (error: Error) => {
      log.debug("A connection to a relay failed", { relay, error: error.message });
    });
    socket.once("close", () => idle.delete(socket));
    socket.once("connect", () => socket.write(dataOpening(offer)));
    readDataHeader(socket, offer).then(
      (header) => {
        idle.delete(socket);
        // What a relay says of its clients is the relay's word.
        accept(socket, { address: `${String(header.address)} via relay/${relay}` });
      },
      () => socket.destroy(),
    );
  }
}
