/**
 * TLS and HTTP for the public API, over connections that the public port has routed here. Client
 * certificates are asked for and never demanded: each endpoint judges for itself.
 */
import type { Buffer } from "node:buffer";
import { constants } from "node:crypto";
import http2 from "node:http2";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import type { LocalAgent } from "./admin/mod.ts";
import type { Connection } from "./caller.ts";
import type { Cluster } from "./cluster.ts";
import { trustedCertificates } from "./cluster_keys.ts";
import type { HostIdentity } from "./host_credentials.ts";
import { toldAddress } from "./hosts/told_address.ts";
import { DEFAULT_PLACE_LIMITS, type PlaceLimits, Places } from "./places.ts";
import { publicApi } from "./public_api.ts";

export interface PublicServer {
  /** Takes a connection over; `address` is its client's, where that is not the socket's own. */
  accept(socket: Socket, address?: string): void;
  /** The same for a connection that began with a relay's header ({@link FORWARDED_MAGIC}). */
  acceptForwarded(header: Buffer): (socket: Socket, address?: string) => void;
  close(): void;
}

const REQUEST_MS = 30_000;

/**
 * Serves the public API of a cluster; the certificate is read anew for each connection. `agent` is
 * asked for each call, since it may start after this.
 */
export function createPublicServer(
  cluster: Cluster,
  identity: HostIdentity,
  agent?: () => LocalAgent | undefined,
  limits: PlaceLimits = DEFAULT_PLACE_LIMITS,
): PublicServer {
  const api = publicApi(cluster, agent);
  const places = new Places(limits);
  const listener = getRequestListener((request, { incoming }) =>
    api.fetch(request, bindings(incoming as IncomingMessage, places))
  );
  const { credentials } = identity;
  const server = http2.createSecureServer({
    allowHTTP1: true,
    ...tlsOptions(cluster, credentials),
  });
  let served = credentials;
  let trusted = trustedBy(cluster).join();
  const open = new Set<Socket>();
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.authorized && !places.prove(socket)) {
      cluster.log.warn("Too many connections of machines and hosts", { most: limits.proven });
    }
  });
  server.on("request", listener as (request: unknown, response: unknown) => void);
  server.on("tlsClientError", (error) => {
    cluster.log.debug("TLS handshake with the authority failed", { error: error.message });
  });
  server.on("sessionError", (error) => {
    cluster.log.debug("HTTP/2 session failed", { error: String(error) });
  });
  const accept = (socket: Socket, address?: string) => {
    socket.on("error", () => socket.destroy());
    if (socket.destroyed) return;
    if (!places.enter(socket, address)) {
      const source = address ?? socket.remoteAddress;
      cluster.log.debug("Refused a connection: too many have proven nothing", { source });
      return void socket.destroy();
    }
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.setTimeout(REQUEST_MS, () => socket.destroy());
    const cas = trustedBy(cluster).join();
    if (identity.credentials !== served || cas !== trusted) {
      served = identity.credentials;
      trusted = cas;
      server.setSecureContext(tlsOptions(cluster, served));
    }
    server.emit("connection", socket);
  };
  return {
    accept,
    acceptForwarded: (header) => (socket, address) => {
      toldAddress(cluster, header).then(
        (told) => accept(socket, told ?? address),
        (error: unknown) => {
          cluster.log.warn("Cannot judge a relay's connection", { error: String(error) });
          socket.destroy();
        },
      );
    },
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** Machines are signed by the user CA, agents and relays by the host CA; endpoints tell them apart. */
function trustedBy({ keys, view }: Cluster): string[] {
  return [...view.userCas(), ...trustedCertificates(keys, "host")];
}

function tlsOptions(
  cluster: Cluster,
  { ca, certificate, key }: HostIdentity["credentials"],
): http2.SecureServerOptions {
  return {
    // The CA goes along, for clients that know it by its pin.
    cert: certificate + ca,
    key,
    ca: trustedBy(cluster),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    // An expired certificate must not live on in a session ticket.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function bindings(request: IncomingMessage, places: Places): Connection {
  const stream = (request as { stream?: { session?: { socket: TLSSocket } } }).stream;
  const socket = stream?.session?.socket ?? request.socket as TLSSocket;
  const { raw } = socket.getPeerCertificate() ?? {};
  const remote = places.addressOf(socket);
  return socket.authorized
    ? { peer: raw, remote }
    : { peer: undefined, stranger: raw?.length ? raw : undefined, remote };
}
