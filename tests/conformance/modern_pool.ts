/**
 * Requests of revision 2026-07-28 over HTTP, each a stream of its own, on stdio servers. Stdio does
 * not say which request a notification belongs to, so that a server has one request at a time, and
 * subscriptions beside it; a request that finds none free gets another server.
 */
import type { ServerResponse } from "node:http";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { type ParamHeaders, paramHeadersOf } from "./headers.ts";

export interface ModernRequest {
  readonly id: string | number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

type Received = {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: { readonly _meta?: Readonly<Record<string, unknown>> };
  readonly result?: { readonly tools?: readonly { name: string; inputSchema: unknown }[] };
  readonly error?: { readonly code: number };
};

const REVISION = "io.modelcontextprotocol/protocolVersion";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const STATUS: ReadonlyMap<number, number> = new Map([
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
  [-32700, 400],
  [-32600, 400],
]);

export class ModernPool {
  /** Which arguments the tools seen in lists want repeated in headers. */
  readonly paramHeaders = new Map<string, ParamHeaders>();
  readonly #command: readonly string[];
  readonly #servers: Server[] = [];

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  serve(request: ModernRequest, response: ServerResponse): void {
    const exchange = new Exchange(request, response);
    let server = this.#servers.find((it) => it.takes(exchange));
    if (server === undefined) {
      server = new Server(this.#command, (answer) => this.#note(answer));
      this.#servers.push(server);
    }
    server.start(exchange);
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #note({ result }: Received): void {
    if (!Array.isArray(result?.tools)) return;
    for (const { name, inputSchema } of result.tools) {
      this.paramHeaders.set(name, paramHeadersOf(inputSchema));
    }
  }
}

class Server {
  readonly #peer: StdioPeer;
  /** A stdio connection speaks one revision: that of its first request. */
  #revision: unknown;
  readonly #listening = new Map<string | number, Exchange>();
  #current: Exchange | undefined;

  constructor(command: readonly string[], note: (answer: Received) => void) {
    this.#peer = new StdioPeer(command, {
      keep: false,
      onLine: (line) => {
        const received: Received = JSON.parse(new TextDecoder().decode(line));
        note(received);
        this.#route(received, line);
      },
    });
  }

  takes({ request, listens }: Exchange): boolean {
    const free = listens || this.#current === undefined;
    return free && this.#revision === revisionOf(request) &&
      this.#current?.request.id !== request.id && !this.#listening.has(request.id);
  }

  start(exchange: Exchange): void {
    const { request, response, listens } = exchange;
    this.#revision ??= revisionOf(request);
    if (listens) this.#listening.set(request.id, exchange);
    else this.#current = exchange;
    // Over HTTP a client cancels by closing the stream; over stdio it says so.
    response.on("close", () => {
      if (!this.#forget(exchange)) return;
      const params = { requestId: request.id };
      this.#send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    });
    this.#send({ ...request, jsonrpc: "2.0" });
  }

  close(): Promise<unknown> {
    return this.#peer.close();
  }

  #send(message: unknown): void {
    this.#peer.send(JSON.stringify(message));
  }

  #route({ id, method, params, error }: Received, line: Uint8Array): void {
    if (id !== undefined && method === undefined) {
      const exchange = this.#current?.request.id === id ? this.#current : this.#listening.get(id);
      if (exchange === undefined) return;
      this.#forget(exchange);
      exchange.finish(line, error?.code);
      return;
    }
    const subscription = params?._meta?.[SUBSCRIPTION];
    const to = subscription === undefined
      ? this.#current
      : this.#listening.get(subscription as string | number);
    to?.stream(line);
  }

  #forget(exchange: Exchange): boolean {
    if (this.#current === exchange) {
      this.#current = undefined;
      return true;
    }
    return this.#listening.get(exchange.request.id) === exchange &&
      this.#listening.delete(exchange.request.id);
  }
}

function revisionOf({ params }: ModernRequest): unknown {
  return (params?.["_meta"] as Record<string, unknown> | undefined)?.[REVISION];
}

/** One POST and what answers it: JSON, or a stream once something comes before the answer. */
class Exchange {
  readonly listens: boolean;

  constructor(readonly request: ModernRequest, readonly response: ServerResponse) {
    this.listens = request.method === "subscriptions/listen";
  }

  stream(line: Uint8Array): void {
    if (!this.response.headersSent) {
      this.response.writeHead(200, { "content-type": "text/event-stream" });
    }
    this.response.write(`data: ${new TextDecoder().decode(line)}\n\n`);
  }

  finish(line: Uint8Array, code: number | undefined): void {
    if (this.response.headersSent || this.listens) {
      this.stream(line);
      this.response.end();
      return;
    }
    const status = code === undefined ? 200 : STATUS.get(code) ?? 200;
    this.response.writeHead(status, { "content-type": "application/json" }).end(line);
  }
}
