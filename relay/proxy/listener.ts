/**
 * The one public port. It learns from the ClientHello where a connection wants to go and hands the
 * socket over as it came; it decrypts nothing. Whoever cannot be routed is cut off without a word,
 * and strangers who have said nothing yet are limited in number, bytes and time.
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import type { Log } from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import {
  DEFAULT_HELLO_LIMITS,
  type HelloLimits,
  type Preamble,
  readOpening,
} from "./client_hello.ts";

/** Takes a connection over; nothing of it has been read as far as the taker can tell. */
export type Accept = (socket: net.Socket) => void;

export interface ListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /**
   * Where a server name leads; `undefined` refuses. A name that is unknown, expired or used up must
   * give the same answer, so that a stranger cannot tell which it was.
   */
  readonly route: (servername: string | undefined) => Accept | undefined;
  /** Connections that are no TLS, by how they begin; none without it. */
  readonly preambles?: readonly (Preamble & {
    /** Where one leads; `undefined` refuses. */
    readonly route: (bytes: Buffer) => Accept | undefined;
  })[];
  readonly log: Log;
  readonly limits?: Partial<ListenerLimits>;
}

export interface ListenerLimits {
  readonly hello: HelloLimits;
  /** Connections at a time that are not routed yet. */
  readonly unrouted: number;
  /** The same, for one source address (IPv6: one /64 network). */
  readonly unroutedPerSource: number;
}

export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  hello: DEFAULT_HELLO_LIMITS,
  unrouted: 1024,
  unroutedPerSource: 128,
};

export interface Listener {
  /** Where it really listens. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops listening and drops what is not routed; routed connections belong to their takers. */
  close(): Promise<void>;
}

/** Opens the public port; throws `PORT_IN_USE` or `UNREACHABLE` if it cannot be had. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { preambles = [], route, log } = options;
  const limits = { ...DEFAULT_LISTENER_LIMITS, ...options.limits };
  const unrouted = new Unrouted(limits);

  const take = async (socket: net.Socket) => {
    // A socket without this listener would bring the process down when its peer resets it.
    const onError = (error: Error) => log.debug("Connection failed", { error: error.message });
    socket.on("error", onError);
    const source = sourceOf(socket.remoteAddress);
    if (!unrouted.add(socket, source)) {
      log.debug("Refused a connection: too many have not said where to", { source });
      return socket.destroy();
    }
    try {
      const opening = await readOpening(socket, preambles, limits.hello);
      const accept = opening.kind === "tls"
        ? route(opening.servername)
        : preambles.find(({ magic }) => opening.bytes.subarray(0, magic.length).equals(magic))
          ?.route(opening.bytes);
      if (accept && !socket.destroyed) return accept(socket);
      log.debug("Refused a connection: no route", { source });
    } catch (error) {
      log.debug("Refused a connection", { source, error: (error as Error).message });
    } finally {
      unrouted.remove(socket, source);
    }
    socket.destroy();
  };

  const server = net.createServer({ noDelay: true }, (socket) => void take(socket));
  await listen(server, options);
  server.on("error", (error) => log.error("The public port failed", { error: error.message }));
  const { address: host, port } = server.address() as net.AddressInfo;
  return {
    address: { host, port },
    close: () => {
      // The port is free at once. The callback of `close` is not awaited: it comes when the last
      // connection has ended, and routed ones may live on.
      server.close();
      unrouted.destroyAll();
      return Promise.resolve();
    },
  };
}

function listen(server: net.Server, { host, port }: { host: string; port: number }) {
  return new Promise<void>((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === "EADDRINUSE"
          ? new RelayError("PORT_IN_USE", `Cannot listen on ${host}:${port}: the port is in use`, {
            hint: "Stop the other program, or choose another address to listen on",
            cause,
          })
          : new RelayError("UNREACHABLE", `Cannot listen on ${host}:${port}: ${cause.message}`, {
            hint: "Check that the address belongs to this machine and that the port may be used",
            cause,
          }),
      );
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** Counts the connections that have not said where they want to go. */
class Unrouted {
  readonly #limits: ListenerLimits;
  readonly #sockets = new Set<net.Socket>();
  readonly #bySource = new Map<string, number>();

  constructor(limits: ListenerLimits) {
    this.#limits = limits;
  }

  add(socket: net.Socket, source: string): boolean {
    const count = this.#bySource.get(source) ?? 0;
    if (this.#sockets.size >= this.#limits.unrouted) return false;
    if (count >= this.#limits.unroutedPerSource) return false;
    this.#sockets.add(socket);
    this.#bySource.set(source, count + 1);
    return true;
  }

  remove(socket: net.Socket, source: string): void {
    this.#sockets.delete(socket);
    const count = (this.#bySource.get(source) ?? 1) - 1;
    if (count > 0) this.#bySource.set(source, count);
    else this.#bySource.delete(source);
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One IPv6 customer has a whole /64, so addresses inside it count as one source. */
function sourceOf(address: string | undefined): string {
  if (address === undefined) return "unknown";
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = Array(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...(address.includes("::") ? zeros : []), ...right].slice(0, 4).join(":");
}
