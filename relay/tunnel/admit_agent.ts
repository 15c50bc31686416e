/**
 * Who may open a control link: agents of this cluster, which prove it by their certificate. Before
 * that anybody may try, so those who try are few at a time, and have little time.
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import tls from "node:tls";
import { type Clock, SourceLimit, type SourceLimits } from "../../identity/mod.ts";
import { readCertificate, verifyCertificate } from "../../identity/x509/mod.ts";
import { RelayError } from "../error.ts";

export interface AdmissionOptions {
  readonly cluster: string;
  /** The relay's own certificate and key, PEM; asked for each connection. */
  readonly hostCredentials: () => { readonly certificate: string; readonly key: string };
  /** X.509 certificates, PEM, that sign agents now. */
  readonly hostCas: () => readonly string[];
  readonly clock: Clock;
  readonly limits: AdmissionLimits;
}

export interface AdmissionLimits {
  /** Handshakes at a time. */
  readonly handshakes: SourceLimits;
  /** Milliseconds that one may take. */
  readonly handshakeMs: number;
}

export interface AdmittedAgent {
  /** Paused; nothing of it has been read. */
  readonly stream: tls.TLSSocket;
  /** Its host id. */
  readonly agent: string;
  readonly notAfter: Date;
}

export class AgentAdmission {
  readonly #options: AdmissionOptions;
  readonly #places: SourceLimit;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#places = new SourceLimit(options.limits.handshakes);
  }

  /** Throws `PEER_UNTRUSTED` for who is no agent, and `ROUTE_REFUSED` where too many try. */
  async admit(socket: Socket, address: string): Promise<AdmittedAgent> {
    const leave = this.#places.take(address);
    if (!leave) throw new RelayError("ROUTE_REFUSED", "Too many try to open a tunnel");
    try {
      const stream = await this.#handshake(socket);
      return { stream, ...await this.#agentOf(stream) };
    } finally {
      leave();
    }
  }

  async #agentOf(stream: tls.TLSSocket): Promise<{ agent: string; notAfter: Date }> {
    const { clock, cluster: ours, hostCas } = this.#options;
    const certificate = readCertificate(stream.getPeerCertificate().raw);
    const { claims, cluster, notAfter } = certificate;
    if (claims.kind !== "host" || claims.role !== "agent" || cluster !== ours) {
      throw new RelayError("PEER_UNTRUSTED", `${certificate.spiffeId} is no agent of this cluster`);
    }
    // Not every runtime has looked at the dates.
    await verifyCertificate(certificate, hostCas(), clock.now(), "client");
    return { agent: claims.host, notAfter };
  }

  #handshake(socket: Socket): Promise<tls.TLSSocket> {
    const { clock, hostCas, hostCredentials, limits } = this.#options;
    const { certificate, key } = hostCredentials();
    const server = tls.createServer({
      cert: certificate,
      key,
      ca: [...hostCas()],
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      // An expired certificate must not live on in a session ticket.
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    const enough = new AbortController();
    return new Promise<tls.TLSSocket>((resolve, reject) => {
      const fail = (found: string) =>
        reject(new RelayError("PEER_UNTRUSTED", `TLS handshake with an agent failed: ${found}`));
      socket.once("close", () => fail("the connection was closed"));
      clock.sleep(limits.handshakeMs, enough.signal).then(
        () => fail("it took too long"),
        () => {},
      );
      server.on("tlsClientError", (error) => fail(error.message));
      server.once("secureConnection", (stream) => {
        stream.pause();
        stream.on("error", () => {});
        if (stream.authorized) resolve(stream);
        else fail("the agent's certificate is not accepted");
      });
      server.emit("connection", socket);
    }).finally(() => enough.abort());
  }
}
