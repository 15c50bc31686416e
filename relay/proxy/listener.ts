/**
 * The one public port. It learns from the ClientHello where a connection wants to go and hands the
 * socket over as it came; it decrypts nothing. Whoever cannot be routed is cut off without a word,
 * and strangers who have said nothing yet are limited in number, bytes and time.
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import { type Log, SourceLimit } from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import {
  DEFAULT_HELLO_LIMITS,
  type HelloLimits,
  type Preamble,
  readOpening,
} from "./client_hello.ts";
import { readProxyHeader } from "./proxy_header.ts";

/**
 * Takes a connection over; nothing of it has been read as far as the taker can tell. The address is
 * the client's: the socket's own, unless a load balancer has told another.
 */
export type Accept = (socket: net.Socket, address: string) => void;

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
  /** Load balancers, whose connections begin with a PROXY protocol header; none without it. */
  readonly balancers?: net.BlockList;
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
  const places = new SourceLimit({
    total: limits.unrouted,
    perSource: limits.unroutedPerSource,
  });
  // Who is behind a balancer counts once its header is there; before that it is one of these.
  const announced = new SourceLimit({ total: limits.unrouted, perSource: limits.unrouted });
  const unrouted = new Set<net.Socket>();

  const take = async (socket: net.Socket) => {
    // A socket without this listener would bring the process down when its peer resets it.
    const onError = (error: Error) => log.debug("Connection failed", { error: error.message });
    socket.on("error", onError);
    let source = socket.remoteAddress ?? "unknown";
    const told = isBalancer(options.balancers, source);
    let release = (told ? announced : places).take(source);
    unrouted.add(socket);
    try {
      if (told && release) {
        source = await readProxyHeader(socket, limits.hello.milliseconds) ?? source;
        release();
        release = places.take(source);
      }
      if (!release) {
        log.debug("Refused a connection: too many have not said where to", { source });
        return void socket.destroy();
      }
      const opening = await readOpening(socket, preambles, limits.hello);
      const accept = opening.kind === "tls"
        ? route(opening.servername)
        : preambles.find(({ magic }) => opening.bytes.subarray(0, magic.length).equals(magic))
          ?.route(opening.bytes);
      if (accept && !socket.destroyed) return accept(socket, source);
      log.debug("Refused a connection: no route", { source });
    } catch (error) {
      log.debug("Refused a connection", { source, error: (error as Error).message });
    } finally {
      unrouted.delete(socket);
      release?.();
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
      for (const socket of unrouted) socket.destroy();
      return Promise.resolve();
    },
  };
}

function isBalancer(balancers: net.BlockList | undefined, source: string): boolean {
  if (balancers === undefined) return false;
  const plain = source.replace(/^::ffff:(?=\d+\.)/i, "");
  return balancers.check(plain, net.isIPv6(plain) ? "ipv6" : "ipv4");
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
