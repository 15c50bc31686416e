/**
 * Requests over HTTP to the one server of an app. It adds the headers that the agent owes the
 * server, follows no redirect, asks for no compression, and gives back every answer as it comes,
 * without a byte of its body read. What fails is told in words that a client may see: they name
 * the app, never an address.
 */
import http from "node:http";
import https from "node:https";
import type { App, Clock, Log } from "../../../../identity/mod.ts";
import { after } from "../../../after.ts";
import { RelayError } from "../../../error.ts";
import type { HeaderSource } from "../upstream.ts";
import type { HttpLimits } from "./limits.ts";

export interface ConnectionOptions {
  readonly app: App;
  readonly clock: Clock;
  readonly log: Log;
  readonly headers: HeaderSource;
  readonly limits: HttpLimits;
  /** More certificates to trust, PEM; the system's when absent. */
  readonly ca?: readonly string[];
}

export interface HttpRequest {
  readonly method: "POST" | "GET" | "DELETE";
  readonly url: URL;
  /** In lower case; they win over those of the header source. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Milliseconds until the answer has to begin; for ever when absent. */
  readonly headersMs?: number;
  /** Ends the request, or the answer if there is one already. */
  readonly signal: AbortSignal;
  /** The body has left; also called when it never will. */
  readonly onSent?: () => void;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: http.IncomingMessage;
}

/** An idle connection is closed before usual servers do, so that no request meets a closed one. */
const IDLE_MS = 3_000;
const MAX_RESPONSE_HEADER_BYTES = 64 * 1024;

export class HttpConnection {
  readonly #options: ConnectionOptions;
  readonly #plain = new http.Agent({ keepAlive: true, timeout: IDLE_MS });
  readonly #tls: https.Agent;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#tls = new https.Agent({
      keepAlive: true,
      timeout: IDLE_MS,
      rejectUnauthorized: options.app.insecureSkipVerify !== true,
      ...(options.ca && { ca: [...options.ca] }),
    });
  }

  /** Closes the connections that nobody uses. */
  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }

  /** The beginning of the answer; the body is the caller's, and has to be read or destroyed. */
  async request(request: HttpRequest): Promise<HttpResponse> {
    let headers: Record<string, string | string[]>;
    try {
      headers = { ...await this.#ownHeaders(), ...request.headers };
      request.signal.throwIfAborted();
    } catch (error) {
      request.onSent?.();
      throw error;
    }
    return await this.#send(request, headers);
  }

  async #ownHeaders(): Promise<Record<string, string | string[]>> {
    const { app, headers, log } = this.#options;
    const own: Record<string, string | string[]> = Object.create(null);
    try {
      for (const { name, value } of await headers()) {
        const key = name.toLowerCase();
        const before = own[key];
        own[key] = before === undefined ? value : [before, value].flat();
      }
    } catch (cause) {
      log.error("The headers for an MCP server are not available", {
        app: app.name,
        error: cause instanceof Error ? cause.message : String(cause),
      });
      // Its own errors are made for the peer; any other may hold what the peer must not see.
      if (cause instanceof RelayError) throw cause;
      throw new RelayError("CONFIG_INVALID", "its headers are not available", { cause });
    }
    return own;
  }

  #send(request: HttpRequest, headers: Record<string, string | string[]>): Promise<HttpResponse> {
    const { url, method, signal, body } = request;
    const { clock, limits } = this.#options;
    const secure = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const answered = new AbortController();
      let sent = () => {
        sent = () => {};
        request.onSent?.();
      };
      const fail = (error: unknown) => {
        sent();
        answered.abort();
        signal.removeEventListener("abort", abort);
        reject(error);
      };
      const expire = (message: string) => {
        fail(new RelayError("TIMEOUT", message));
        outgoing.destroy();
      };
      const abort = () => {
        fail(signal.reason);
        outgoing.destroy();
      };
      let outgoing: http.ClientRequest;
      try {
        outgoing = (secure ? https : http).request(url, {
          method,
          agent: secure ? this.#tls : this.#plain,
          maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
          headers: {
            ...headers,
            "accept-encoding": "identity",
            ...(body && { "content-type": "application/json", "content-length": body.length }),
          },
        });
      } catch (cause) {
        // A header that cannot be written; its value may be a secret.
        return fail(new RelayError("CONFIG_INVALID", "its headers cannot be sent", { cause }));
      }
      signal.addEventListener("abort", abort, { once: true });
      outgoing.on("error", (cause) => fail(reachError(cause)));
      outgoing.on("finish", () => sent());
      outgoing.on("socket", (socket) => {
        if (!socket.connecting) return;
        const connected = new AbortController();
        const stop = AbortSignal.any([connected.signal, answered.signal]);
        socket.once(secure ? "secureConnect" : "connect", () => connected.abort());
        after(clock, limits.connectMs, stop, () => {
          expire(`no connection within ${seconds(limits.connectMs)}`);
        });
      });
      outgoing.on("response", (response) => {
        sent();
        answered.abort();
        // An error after the answer is the reader's, who may have gone already.
        response.on("error", () => {});
        response.once("close", () => signal.removeEventListener("abort", abort));
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: response });
      });
      if (request.headersMs !== undefined) {
        const ms = request.headersMs;
        after(clock, ms, answered.signal, () => expire(`no answer within ${seconds(ms)}`));
      }
      outgoing.end(body);
    });
  }
}

function seconds(ms: number): string {
  return `${ms / 1000} seconds`;
}

function reachError(cause: NodeJS.ErrnoException): RelayError {
  const code = cause.code ?? "";
  if (/CERT|SIGNED|ISSUER|ALTNAME|VERIFY/.test(code)) {
    return new RelayError("PEER_UNTRUSTED", "its certificate is not accepted", { cause });
  }
  const found = FOUND.get(code) ?? (code.startsWith("HPE_") ? NOT_HTTP : "the connection failed");
  return new RelayError("UNREACHABLE", found, { cause });
}

const NOT_HTTP = "what it says is not HTTP as it should be";
const FOUND: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "the connection was refused"],
  ["ENOTFOUND", "its name is not known"],
  ["EAI_AGAIN", "its name could not be looked up"],
  ["EHOSTUNREACH", "there is no way to its machine"],
  ["ENETUNREACH", "there is no way to its machine"],
  ["ETIMEDOUT", "the connection timed out"],
  ["HPE_HEADER_OVERFLOW", `its headers are larger than ${MAX_RESPONSE_HEADER_BYTES} bytes`],
  ["ECONNRESET", "it closed the connection without an answer"],
  ["EPIPE", "it closed the connection without an answer"],
]);
