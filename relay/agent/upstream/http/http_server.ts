/**
 * What both transports over HTTP have in common: the order in which messages leave, what is open,
 * what is read and how much of it, and how it all stops.
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../../../identity/mod.ts";
import { RelayError } from "../../../error.ts";
import { type ResultMessage, scanMessage } from "../../../wire/scanner.ts";
import type { Upstream, UpstreamHandlers } from "../upstream.ts";
import { type Call, Calls } from "./calls.ts";
import {
  type ConnectionOptions,
  HttpConnection,
  type HttpRequest,
  type HttpResponse,
} from "./connection.ts";
import { Flow } from "./flow.ts";
import { Budget } from "./limits.ts";
import { isVersion, LAST_EVENT_ID } from "../../../http/mcp_headers.ts";
import { type Outgoing, readOutgoing } from "../../../http/outgoing.ts";
import type { ReadOptions } from "./read_body.ts";
import { discard, noStream, readRefusal, responseKind } from "./responses.ts";
import { Slots } from "./slots.ts";
import { Turns } from "./turns.ts";
import { Unsent } from "./unsent.ts";

export interface HttpServerOptions extends ConnectionOptions {
  readonly url: URL;
}

export interface Post {
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly headersMs: number;
  readonly signal: AbortSignal;
  readonly onSent?: () => void;
}

interface Item {
  readonly message: Outgoing;
  /** Of a request. */
  readonly call?: Call;
}

export abstract class HttpServer implements Upstream {
  protected readonly options: HttpServerOptions;
  protected readonly handlers: UpstreamHandlers;
  protected readonly http: HttpConnection;
  protected readonly calls: Calls;
  protected readonly reading: ReadOptions;
  protected readonly over = new AbortController();
  /** The server has ended by itself, and was said to have. */
  protected gone = false;
  /** The revision that was agreed on, once it is. */
  protected protocolVersion: string | undefined;
  readonly #turns: Turns<Item>;
  readonly #unsent: Unsent;
  readonly #told: Slots;
  readonly #flow = new Flow();

  constructor(options: HttpServerOptions, handlers: UpstreamHandlers) {
    const { app, limits } = options;
    this.options = options;
    this.handlers = handlers;
    this.http = new HttpConnection(options);
    this.#unsent = new Unsent(limits.unsentBytes);
    this.#told = new Slots(limits.concurrentTold);
    this.reading = {
      flow: this.#flow,
      budget: new Budget(limits.bufferedBytes),
      messageBytes: limits.messageBytes,
    };
    this.calls = new Calls({
      app: app.name,
      handlers,
      onAnswer: (call, line) => this.learn(call, line),
    });
    this.#turns = new Turns({
      concurrent: limits.concurrentRequests,
      openBytes: limits.openBytes,
      queuedBytes: limits.queuedBytes,
      send: ({ message, call }) => call ? this.ask(call) : this.notify(message),
    });
  }

  /** Sends a request; resolves when its place is free for another. Never rejects. */
  protected abstract ask(call: Call): Promise<void>;
  /** Sends a notification; resolves when the next message may leave. Never rejects. */
  protected abstract notify(message: Outgoing): Promise<void>;
  /** Sends an answer, which waits for nobody: what is in front may be waiting for it. */
  protected abstract reply(message: Outgoing): Promise<void>;
  /** Withdraws a request, and does not wait either. */
  protected abstract cancel(message: Outgoing): Promise<void>;
  abstract close(): Promise<void>;

  /** Takes what an answer tells about the server. */
  protected learn({ modern, message }: Call, line: Buffer): void {
    if (modern || message.method !== "initialize") return;
    const version = resultOf(line)?.result.member("protocolVersion")?.string();
    this.protocolVersion = isVersion(version) ? version : undefined;
  }

  /** Unfinished messages of the server, and those of the client that it has not taken. */
  get held(): number {
    return this.reading.budget.used + this.#unsent.bytes + this.#turns.bytes;
  }

  send(bytes: Uint8Array): void {
    if (this.over.signal.aborted) return;
    const message = readOutgoing(bytes);
    if (message.kind === "response") return void this.reply(message);
    if (message.method === "notifications/cancelled") return void this.cancel(message);
    const call = message.kind === "request" ? this.calls.add(message) : undefined;
    if (this.#turns.add(call ? { message, call } : { message })) return;
    const limit = this.options.limits.queuedBytes;
    if (call) this.calls.fail(call, `more than ${limit} bytes wait to be sent`);
    else this.warn("Dropped a notification for an MCP server: too much waits to be sent");
  }

  recall(mayGo: (request: Uint8Array) => boolean): void {
    for (const call of this.calls.all()) {
      // A settled call gives its turn to the next one.
      if (!call.started && !mayGo(call.message.bytes)) this.calls.settle(call);
    }
  }

  get congested(): boolean {
    return this.#unsent.congested;
  }

  room(): Promise<void> {
    return this.#unsent.room();
  }

  pause(): void {
    this.#flow.pause();
  }

  resume(): void {
    this.#flow.resume();
  }

  protected async post({ bytes }: Outgoing, { onSent, ...how }: Post): Promise<HttpResponse> {
    const left = this.#unsent.add(bytes.length);
    const sent = () => {
      left();
      onSent?.();
    };
    try {
      return await this.http.request({ ...how, method: "POST", body: bytes, onSent: sent });
    } finally {
      left();
    }
  }

  /**
   * Posts what has no answer of its own, and reads past what comes back. A client may send any
   * number of such messages, and a server need not answer: only so many have a connection at a time.
   */
  protected async tellServer(message: Outgoing, how: Post): Promise<HttpResponse> {
    const left = this.#unsent.add(message.bytes.length);
    const release = await this.#told.take();
    left();
    try {
      const response = await this.post(message, how);
      discard(response, this.discarding, release);
      return response;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Asks for a stream of events, and tells how that was answered. */
  protected async get(request: Omit<HttpRequest, "method">): Promise<HttpResponse> {
    const resumed = request.headers[LAST_EVENT_ID] !== undefined;
    try {
      const response = await this.http.request({ ...request, method: "GET" });
      this.handlers.onListen?.({ resumed, refused: noStream(response) });
      return response;
    } catch (error) {
      if (!request.signal.aborted) {
        const refused = error instanceof RelayError ? error.message : "the agent has failed";
        this.handlers.onListen?.({ resumed, refused });
      }
      throw error;
    }
  }

  /** What kind of answer it is; one that is none of MCP ends here. */
  protected kindOf(response: HttpResponse): ReturnType<typeof responseKind> {
    try {
      return responseKind(response);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
  }

  /** Answers a request that met an HTTP error. */
  protected async refused(call: Call, response: HttpResponse): Promise<void> {
    this.refuse(call, response, await readRefusal(response, call.id, this.reading));
  }

  /** The same, with the error that was in the body, if there was one. */
  protected refuse(call: Call, { status }: HttpResponse, body: Uint8Array | undefined): void {
    if (body) this.calls.answer(call, body);
    else this.calls.fail(call, `it answered with HTTP ${status}`);
  }

  /** Answers a request that could not be sent, or whose answer could not be read. */
  protected lost(call: Call, error: unknown): void {
    if (call.abort.signal.aborted || call.isSettled) return;
    this.warn("A request to an MCP server failed", error);
    this.calls.fail(call, error instanceof RelayError ? error : "the agent has failed");
  }

  /** The server has ended without being asked to; what is in flight is lost. */
  protected exit(how: string): void {
    if (this.gone || this.over.signal.aborted) return;
    this.gone = true;
    for (const call of this.calls.all()) this.calls.fail(call, `it ${how}`);
    this.stop();
    const message = `MCP server "${this.options.app.name}" ${how}`;
    const hint = "Start the MCP server again in the client";
    this.handlers.onExit(new RelayError("SERVER_EXITED", message, { hint }));
  }

  /** Sends and says nothing any more; what is open is the business of those who opened it. */
  protected silence(): void {
    this.calls.close();
    this.#turns.close();
  }

  /** Ends whatever is open. */
  protected stop(): void {
    this.silence();
    this.over.abort(new RelayError("SERVER_EXITED", "the session is over"));
    this.#unsent.close();
  }

  protected get discarding(): { clock: Clock; ms: number } {
    return { clock: this.options.clock, ms: this.options.limits.takenMs };
  }

  protected debug(message: string, error: unknown): void {
    this.options.log.debug(message, this.#why(error));
  }

  protected warn(message: string, error?: unknown): void {
    this.options.log.warn(message, this.#why(error));
  }

  #why(error: unknown): { app: string; error?: string } {
    const app = this.options.app.name;
    if (error === undefined) return { app };
    const text = error instanceof Error ? error.message : String(error);
    const { cause } = error instanceof Error ? error : {};
    return { app, error: cause instanceof Error ? `${text}: ${cause.message}` : text };
  }
}

/** The answer on a line, unless it is an error or none at all. */
export function resultOf(line: Uint8Array): ResultMessage | undefined {
  const scan = scanMessage(line);
  return scan.ok && scan.message.kind === "result" ? scan.message : undefined;
}
