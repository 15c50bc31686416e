/**
 * A listener on this machine that carries MCP over HTTP to one app, with an identity that its
 * callers never see. It decides nothing about messages, but reads each strictly and writes it anew
 * before it goes on; the gate at the other end judges it as it does for `tsh`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  AuthorityClient,
  Clock,
  ConnectOptions,
  IdentityFile,
  Log,
} from "../../identity/mod.ts";
import { systemClock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { PROTOCOL_VERSION, SESSION_ID } from "../http/mcp_headers.ts";
import { type Outgoing, readOutgoing } from "../http/outgoing.ts";
import { RelayError } from "../error.ts";
import { asId } from "../wire/excerpt.ts";
import { errorReply } from "../wire/refusal.ts";
import { scanMessage } from "../wire/scanner.ts";
import { Bodies } from "./bodies.ts";
import { LegacySession } from "./legacy_session.ts";
import * as limits from "./limits.ts";
import { ModernPool } from "./modern_pool.ts";
import type { PeerOptions } from "./peer.ts";
import { answerEmpty, answerJson, refuse } from "./reply.ts";
import {
  accepts,
  headerMismatch,
  isJson,
  isOurHost,
  isOurOrigin,
  missingMeta,
  notModern,
} from "./request_check.ts";

export interface TunnelOptions {
  /** What the log calls it. */
  readonly name: string;
  readonly app: string;
  /** `host:port` of the cluster. */
  readonly proxy: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names, beside loopback's, under which it may be asked. */
  readonly allowedHosts: readonly string[];
  /** Name and version of the program, for the agent's audit log. */
  readonly client: string;
  readonly log: Log;
  readonly connectAuthority?: (options: ConnectOptions) => AuthorityClient;
  readonly clock?: Clock;
  /** Sessions that may be open at once (default 32). */
  readonly maxSessions?: number;
}

/** Where MCP is spoken. */
const PATH = "/mcp";

export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #peers: PeerOptions;
  readonly #pool: ModernPool;
  readonly #sessions = new Map<string, LegacySession>();
  readonly #closed = new AbortController();
  readonly #bodies = new Bodies();
  #identity: IdentityFile | undefined;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { app, client, connectAuthority, log, proxy } = options;
    this.#peers = {
      app,
      proxy,
      log,
      identity: undefined,
      identityPath: undefined,
      options: {
        // A client over HTTP is told that its session is gone, and begins another.
        reconnect: false,
        client,
        clock: this.#clock,
        readIdentity: () => Promise.resolve(this.#present()),
        ...(connectAuthority && { connectAuthority }),
      },
    };
    this.#pool = new ModernPool(this.#peers, this.#clock);
    this.#server = createServer(
      { requestTimeout: limits.REQUEST_MS, maxHeaderSize: limits.MAX_HEADER_BYTES },
      (request, response) => void this.#serve(request, response).catch(() => response.destroy()),
    );
    this.#server.maxConnections = limits.MAX_CONNECTIONS;
  }

  /** Begins to listen; rejects with `PORT_IN_USE` or `CONFIG_INVALID`. */
  async listen(): Promise<void> {
    const { listen: { host, port }, log, name } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const taken = cause.code === "EADDRINUSE";
        const found = taken ? "another program listens there" : cause.code ?? cause.message;
        reject(
          new RelayError(
            taken ? "PORT_IN_USE" : "CONFIG_INVALID",
            `Cannot listen on ${host}:${port} for "${name}": ${found}`,
            { hint: "Give another address as `listen`, or stop what listens there", cause },
          ),
        );
      });
      this.#server.listen(port, host, resolve);
    });
    log.info("tunnel listens", { service: name, url: this.url });
    this.#sweep();
  }

  /** Where MCP clients find it; only while it listens. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}${PATH}`;
  }

  /** Sessions from now on are opened with this identity. */
  use(identity: IdentityFile): void {
    this.#identity = identity;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    const stopped = this.#server.listening
      ? new Promise<void>((resolve) => this.#server.close(() => resolve()))
      : undefined;
    await Promise.all([
      this.#pool.close(),
      ...[...this.#sessions.values()].map((session) => session.close()),
    ]);
    this.#server.closeAllConnections();
    await stopped;
  }

  #present(): IdentityFile {
    if (this.#identity) return this.#identity;
    throw new RelayError("UNREACHABLE", "tbot has not won an identity yet", {
      hint: "Its log says why",
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method, url = "" } = request;
    const { allowedHosts } = this.#options;
    if (!isOurHost(headers.host, allowedHosts) || !isOurOrigin(headers.origin, allowedHosts)) {
      this.#options.log.warn("Refused a request for another host or of a foreign page", {
        service: this.#options.name,
        host: headers.host,
        origin: headers.origin,
      });
      return refuse(response, 403, { code: -32600, message: "Not under this Host or Origin" });
    }
    if (url.split("?")[0] !== PATH) return answerEmpty(response, 404);
    switch (method) {
      case "POST":
        return await this.#post(request, response);
      case "GET":
        if (!accepts(headers.accept, "text/event-stream")) return answerEmpty(response, 406);
        return await this.#inSession(request, response, (session) => session.listen(response));
      case "DELETE":
        return await this.#inSession(request, response, (session) => {
          this.#sessions.delete(session.id);
          void session.close();
          answerEmpty(response, 204);
        });
      default:
        return answerEmpty(response, 405, { allow: "POST, GET, DELETE" });
    }
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    if (!isJson(headers["content-type"])) {
      return refuse(response, 415, { code: -32600, message: "Content-Type: application/json" });
    }
    if (!accepts(headers.accept, "application/json", "text/event-stream")) {
      const message = "Accept: application/json, text/event-stream";
      return refuse(response, 406, { code: -32600, message });
    }
    const body = await this.#bodies.read(request);
    if (typeof body === "number") {
      const message = body === 413
        ? `A message has at most ${limits.MAX_BODY_BYTES} bytes`
        : "[MCP_REQUEST_FAILED] Too much is under way.";
      return refuse(response, body, { code: -32600, message, headers: { connection: "close" } });
    }
    try {
      await this.#take(body.bytes, request, response);
    } finally {
      body.release();
    }
  }

  /** Resolves once the message has been passed on, as far as there is room for it. */
  async #take(
    body: Uint8Array,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const scan = scanMessage(body);
    if (!scan.ok) {
      const { code, id, message } = scan.refusal;
      return answerJson(response, 400, errorReply(id, code, message));
    }
    const message = readOutgoing(scan.message.bytes);
    if (message.modern === undefined) return await this.#legacy(message, request, response);
    const missing = missingMeta(message);
    if (missing !== undefined) {
      return refuse(response, 400, { id: asId(message.id), code: -32602, message: missing });
    }
    const wrong = headerMismatch(message, request.headers, this.#pool.params);
    if (wrong !== undefined) {
      const text = `Header mismatch: ${wrong}`;
      return refuse(response, 400, { id: asId(message.id), code: -32020, message: text });
    }
    // Alone, nothing that is no request reaches anybody.
    if (message.kind !== "request") return answerEmpty(response, 202);
    await this.#pool.serve(message, response);
  }

  async #legacy(
    message: Outgoing,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const version = request.headers[PROTOCOL_VERSION];
    if (typeof version === "string" && version >= FIRST_MODERN) {
      return refuse(response, 400, { id: asId(message.id), ...notModern(message, version) });
    }
    if (message.method === "initialize" && request.headers[SESSION_ID] === undefined) {
      return await this.#open(message, response);
    }
    await this.#inSession(request, response, async (session) => {
      if (message.kind === "request") return await session.request(message, response);
      await session.tell(message);
      answerEmpty(response, 202);
    });
  }

  async #open(initialize: Outgoing, response: ServerResponse): Promise<void> {
    const { maxSessions = limits.MAX_SESSIONS } = this.#options;
    if (this.#sessions.size >= maxSessions && !this.#endLongestIdle()) {
      return refuse(response, 503, {
        id: asId(initialize.id),
        code: -32603,
        message: "[MCP_REQUEST_FAILED] Too many sessions are open.",
        headers: { "retry-after": "10" },
      });
    }
    const session = new LegacySession(this.#peers, {
      onOver: ({ id }) => void this.#sessions.delete(id),
      now: () => this.#clock.monotonic(),
    });
    this.#sessions.set(session.id, session);
    await session.request(initialize, response);
  }

  async #inSession(
    { headers }: IncomingMessage,
    response: ServerResponse,
    act: (session: LegacySession) => Promise<void> | void,
  ): Promise<void> {
    const id = headers[SESSION_ID];
    if (typeof id !== "string") {
      return refuse(response, 400, { code: -32600, message: "There is no Mcp-Session-Id" });
    }
    const session = this.#sessions.get(id);
    if (session) return await act(session);
    // MCP: the client then begins anew with `initialize`.
    refuse(response, 404, { code: -32600, message: "This session is over" });
  }

  /** Few clients end their sessions. */
  #endLongestIdle(): boolean {
    const [longest] = this.#idle().toSorted((a, b) => a.since - b.since);
    if (!longest) return false;
    this.#sessions.delete(longest.session.id);
    void longest.session.close();
    return true;
  }

  #idle(): { session: LegacySession; since: number }[] {
    return [...this.#sessions.values()].flatMap((session) => {
      const since = session.idleSince;
      return since === undefined ? [] : [{ session, since }];
    });
  }

  #sweep(): void {
    after(this.#clock, limits.IDLE_MS / 10, this.#closed.signal, () => {
      const now = this.#clock.monotonic();
      for (const { session, since } of this.#idle()) {
        if (now - since >= limits.IDLE_MS) void session.close();
      }
      this.#sweep();
    });
  }
}

/** The first revision without sessions. */
const FIRST_MODERN = "2026-07-28";
