/**
 * An MCP server over HTTP with server-sent events, as the revision of 2024-11-05 has it: one
 * stream for all that the server says, whose first event names where to post what the client
 * says. The stream is the session; when it ends, so does the server.
 */
import type { Buffer } from "node:buffer";
import { after } from "../../../after.ts";
import { RelayError } from "../../../error.ts";
import type { Upstream, UpstreamHandlers } from "../upstream.ts";
import type { Call } from "./calls.ts";
import type { HttpResponse } from "./connection.ts";
import type { ServerEvent } from "./event_parser.ts";
import { HttpServer, type HttpServerOptions, type Post } from "./http_server.ts";
import { legacyHeaders } from "../../../http/mcp_headers.ts";
import { idText, type Outgoing } from "../../../http/outgoing.ts";
import { readEvents } from "./read_body.ts";
import { discard } from "./responses.ts";

/** Opens the stream; resolves once the server has said where to post. */
export async function startSseServer(
  options: HttpServerOptions,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const server = new SseServer(options, handlers);
  try {
    await server.open();
  } catch (error) {
    await server.close();
    const found = error instanceof RelayError ? error.message : "the agent has failed";
    throw new RelayError(
      "SERVER_START_FAILED",
      `Cannot reach MCP server "${options.app.name}": ${found}`,
      { hint: "Look at the server, and at the app's uri", cause: error },
    );
  }
  return server;
}

class SseServer extends HttpServer {
  readonly #endpoint = Promise.withResolvers<void>();
  /** What the server said before the client did; it waits until then. */
  #early: Buffer[] | undefined = [];
  #postTo: URL | undefined;
  #reading: Promise<void> | undefined;

  async open(): Promise<void> {
    const { clock, limits: { takenMs }, url } = this.options;
    const response = await this.get({
      url,
      headers: { accept: "text/event-stream" },
      headersMs: takenMs,
      signal: this.over.signal,
    });
    if (this.kindOf(response) !== "events") {
      response.body.destroy();
      throw new RelayError("PROTOCOL", `it answered with HTTP ${response.status} and no events`);
    }
    this.#reading = this.#read(response);
    const named = new AbortController();
    after(clock, takenMs, named.signal, () => {
      const found = `it did not say within ${takenMs / 1000} seconds where to post`;
      this.#endpoint.reject(new RelayError("TIMEOUT", found));
    });
    try {
      await this.#endpoint.promise;
    } finally {
      named.abort();
    }
  }

  override send(bytes: Uint8Array): void {
    super.send(bytes);
    if (this.#early === undefined) return;
    const early = this.#early;
    this.#early = undefined;
    for (const line of early) this.calls.deliver(line);
    this.resume();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#reading;
    this.http.close();
  }

  protected async ask(call: Call): Promise<void> {
    if (call.isSettled) return;
    call.started = true;
    try {
      const response = await this.post(call.message, this.#how(call.message, call.abort.signal));
      // The answer comes on the stream; what stands here is no more than a receipt.
      if (response.status < 200 || response.status >= 300) await this.refused(call, response);
      else discard(response, this.discarding);
    } catch (error) {
      this.lost(call, error);
    }
  }

  protected async notify(message: Outgoing): Promise<void> {
    try {
      const { status } = await this.tellServer(message, this.#how(message, this.over.signal));
      if (status >= 300) this.warn("An MCP server refused a message", `HTTP ${status}`);
    } catch (error) {
      if (!this.over.signal.aborted) this.warn("An MCP server did not take a message", error);
    }
  }

  protected reply(message: Outgoing): Promise<void> {
    return this.notify(message);
  }

  protected async cancel(message: Outgoing): Promise<void> {
    const call = this.calls.find(idText(message.params?.member("requestId")));
    if (call && !call.started) return this.calls.answerCancelled(call);
    // Behind the request, as far as two connections have an order.
    await call?.sent.promise;
    await this.notify(message);
  }

  #how(message: Outgoing, signal: AbortSignal): Post {
    const headers = legacyHeaders({
      sessionId: undefined,
      protocolVersion: message.method === "initialize" ? undefined : this.protocolVersion,
    });
    return {
      url: this.#postTo!,
      headers,
      headersMs: this.options.limits.takenMs,
      signal,
      onSent: () => this.calls.find(message.id)?.sent.resolve(),
    };
  }

  async #read(response: HttpResponse): Promise<void> {
    let how = "has closed its stream";
    try {
      await readEvents(response.body, {
        onEvent: (event) => this.#take(event),
        onOversized: (excerpt) => {
          if (!this.calls.oversized(excerpt)) this.handlers.onOversized(excerpt);
        },
        // A new stream would be a new session, so there is nothing to go back to.
        onId: () => {},
        onRetry: () => {},
      }, this.reading);
    } catch (error) {
      const reason = error instanceof RelayError ? error.message : "the agent has failed";
      how = `was cut off: ${reason}`;
      this.#endpoint.reject(error);
      if (!this.over.signal.aborted) {
        this.debug("The stream of an MCP server broke off", error);
      }
    }
    this.#endpoint.reject(new RelayError("UNREACHABLE", "it did not say where to post"));
    if (this.#postTo) this.exit(how);
  }

  #take({ type, data }: ServerEvent): void {
    if (type === "endpoint" && this.#postTo === undefined) {
      this.#postTo = this.#sameOrigin(data.toString("utf8"));
      this.#endpoint.resolve();
      this.pause();
    } else if (type === "message" && this.#postTo) {
      if (this.#early) this.#early.push(data);
      else this.calls.deliver(data);
    }
  }

  /** MCP: messages, and with them what the agent adds, go to the origin of the stream only. */
  #sameOrigin(endpoint: string): URL {
    const { url } = this.options;
    const to = URL.parse(endpoint, url);
    if (to === null || to.origin !== url.origin) {
      throw new RelayError("PROTOCOL", "it named a place to post that is not its own");
    }
    to.username = url.username;
    to.password = url.password;
    return to;
  }
}
