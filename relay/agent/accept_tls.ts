/** The agent's side of a TLS handshake, and what it says to whom it turns away. */
import { constants } from "node:crypto";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { ClusterView } from "../../identity/mod.ts";
import { type CertificateInfo, readCertificate } from "../../identity/x509/mod.ts";
import { RelayError } from "../error.ts";
import { Channel, type ChannelHandlers } from "../wire/channel.ts";
import { ALPN } from "../wire/frame.ts";
import type { End } from "../wire/handshake.ts";

export interface AcceptOptions {
  readonly view: ClusterView;
  /** The agent's own certificate and key, PEM, as of now. */
  readonly hostCredentials: () => { readonly certificate: string; readonly key: string };
  /** Milliseconds that the handshake may take. */
  readonly handshakeMs: number;
}

/** Proves the client at the other end; the stream is paused until somebody listens. */
export function acceptTls(
  socket: Duplex,
  { view, hostCredentials, handshakeMs }: AcceptOptions,
): Promise<tls.TLSSocket> {
  const { certificate, key } = hostCredentials();
  // A server for each connection: it has today's CAs and credentials, and no memory in which a
  // resumed session could be found.
  const server = tls.createServer({
    cert: certificate,
    key,
    ca: [...view.userCas()],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ALPNProtocols: [ALPN],
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      socket.off("close", onClose);
      outcome();
    };
    const fail = (found: string, cause?: unknown) =>
      settle(() =>
        reject(new RelayError("PEER_UNTRUSTED", `TLS handshake failed: ${found}`, { cause }))
      );
    const onClose = () => fail("the connection was closed");
    const timer = setTimeout(() => fail("it took too long"), handshakeMs);
    socket.once("close", onClose);
    server.on("tlsClientError", (error) => fail(error.message, error));
    server.once("secureConnection", (stream) => {
      stream.pause();
      // The channel that comes will listen as well; until then an error must not be fatal.
      stream.on("error", () => {});
      if (!stream.authorized) return fail("the client's certificate is not accepted");
      if (stream.alpnProtocol !== ALPN) return fail(`the client does not speak ${ALPN}`);
      settle(() => resolve(stream));
    });
    server.emit("connection", socket);
  });
}

export function peerCertificate(stream: tls.TLSSocket): CertificateInfo {
  const { raw } = stream.getPeerCertificate();
  if (!raw) throw new RelayError("PEER_UNTRUSTED", "The client has shown no certificate");
  return readCertificate(raw);
}

/** Sends END on a connection that never becomes a session. */
export function sayEnd(stream: tls.TLSSocket, end: End): Promise<void> {
  return new Promise((resolve) => {
    const ignore = () => {};
    const handlers: ChannelHandlers = {
      onGreeting: ignore,
      onMessage: ignore,
      onEnd: ignore,
      onClose: () => resolve(),
    };
    new Channel(stream, handlers).end(end);
  });
}
