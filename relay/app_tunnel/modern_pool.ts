/**
 * Requests that stand alone, 2026-07-28 and later. What a server says between request and answer
 * does not name the request, so that a session with the agent has one of them at a time, and
 * subscriptions, which are named, beside it. A request that finds none free opens another.
 */
import type { ServerResponse } from "node:http";
import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { idText, type Outgoing, readOutgoing } from "../http/outgoing.ts";
import { ToolParams } from "../http/tool_params.ts";
import { asId } from "../wire/excerpt.ts";
import { JsonView } from "../wire/json.ts";
import { MAX_PEERS, PEER_IDLE_MS, STREAM_MS } from "./limits.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { answerJson, EventStream, refuse } from "./reply.ts";

export class ModernPool {
  /** Which arguments the tools seen in lists want repeated in headers. */
  readonly params = new ToolParams();
  readonly #options: PeerOptions;
  readonly #clock: Clock;
  readonly #lines = new Set<Line>();

  constructor(options: PeerOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async serve(message: Outgoing, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(message, response, this.#clock);
    for (const line of this.#lines) {
      if (line.takes(exchange)) return await line.start(exchange);
    }
    if (this.#lines.size >= MAX_PEERS) {
      return refuse(response, 503, {
        id: asId(message.id),
        code: -32603,
        message: "[MCP_REQUEST_FAILED] Too many requests are under way.",
        headers: { "retry-after": "1" },
      });
    }
    const line = new Line(this.#options, {
      clock: this.#clock,
      params: this.params,
      onOver: (it) => void this.#lines.delete(it),
    });
    this.#lines.add(line);
    await line.start(exchange);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lines].map((line) => line.close()));
  }
}

interface LineHooks {
  readonly clock: Clock;
  readonly params: ToolParams;
  readonly onOver: (line: Line) => void;
}

/** One session with the agent, and what is under way in it. */
class Line {
  readonly #peer: Peer;
  readonly #hooks: LineHooks;
  readonly #subscriptions = new Map<string, Exchange>();
  /** A server speaks one revision: that of its first request. */
  #revision: string | undefined;
  #current: Exchange | undefined;
  #over = false;
  #rest = new AbortController();

  constructor(options: PeerOptions, hooks: LineHooks) {
    this.#hooks = hooks;
    this.#peer = new Peer(options, {
      onLine: (line) => this.#route(line),
      onOver: () => this.#ended(),
    });
  }

  takes({ message: { id = "", modern }, subscribes }: Exchange): boolean {
    const free = subscribes || this.#current === undefined;
    return free && !this.#over && this.#revision === modern &&
      this.#current?.message.id !== id && !this.#subscriptions.has(id);
  }

  async start(exchange: Exchange): Promise<void> {
    const { message, response } = exchange;
    this.#rest.abort();
    this.#revision ??= message.modern;
    if (exchange.subscribes) this.#subscriptions.set(message.id ?? "", exchange);
    else this.#current = exchange;
    exchange.begin(this.#peer);
    // Over HTTP a client cancels by closing the stream; on the wire it is said.
    response.on("close", () => {
      if (!this.#forget(exchange)) return;
      const cancelled = `{"jsonrpc":"2.0","method":"notifications/cancelled",` +
        `"params":{"requestId":${message.id}}}`;
      this.#peer.send(utf8.encode(cancelled));
    });
    this.#peer.send(message.bytes);
    await this.#peer.room();
  }

  close(): Promise<void> {
    return this.#peer.close();
  }

  #route(line: Uint8Array): void {
    const { id = "", kind, params } = readOutgoing(line);
    if (kind === "response") {
      const exchange = this.#current?.message.id === id
        ? this.#current
        : this.#subscriptions.get(id);
      if (exchange === undefined) return;
      if (exchange.message.method === "tools/list") this.#hooks.params.learn(toolsOf(line));
      this.#forget(exchange);
      return exchange.finish(line);
    }
    const subscription = idText(params?.member("_meta")?.member(SUBSCRIPTION));
    const to = subscription === undefined ? this.#current : this.#subscriptions.get(subscription);
    to?.stream(line);
  }

  #forget(exchange: Exchange): boolean {
    const id = exchange.message.id ?? "";
    if (this.#current === exchange) this.#current = undefined;
    else if (this.#subscriptions.get(id) === exchange) this.#subscriptions.delete(id);
    else return false;
    exchange.forgotten();
    if (this.#current === undefined && this.#subscriptions.size === 0) this.#wither();
    return true;
  }

  /** Ends the session unless it is used again soon. */
  #wither(): void {
    this.#rest = new AbortController();
    after(this.#hooks.clock, PEER_IDLE_MS, this.#rest.signal, () => void this.close());
  }

  #ended(): void {
    this.#over = true;
    this.#rest.abort();
    for (const exchange of [...this.#subscriptions.values(), this.#current]) {
      exchange?.forgotten();
      exchange?.abandon();
    }
    this.#subscriptions.clear();
    this.#current = undefined;
    this.#hooks.onOver(this);
  }
}

/** One POST and what answers it: JSON, or a stream once something comes before the answer. */
class Exchange {
  readonly subscribes: boolean;
  readonly #clock: Clock;
  readonly #answered = new AbortController();
  #peer: Peer | undefined;
  #events: EventStream | undefined;

  constructor(readonly message: Outgoing, readonly response: ServerResponse, clock: Clock) {
    this.subscribes = message.method === "subscriptions/listen";
    this.#clock = clock;
  }

  begin(peer: Peer): void {
    this.#peer = peer;
    after(this.#clock, STREAM_MS, this.#answered.signal, () => void this.#stream());
  }

  stream(line: Uint8Array): void {
    this.#stream()?.send(line);
  }

  finish(line: Uint8Array): void {
    if (this.#events === undefined && !this.subscribes) {
      return answerJson(this.response, statusOf(line), line);
    }
    this.stream(line);
    this.#events?.end();
  }

  /** No answer will come any more. */
  abandon(): void {
    if (this.#events) return this.#events.end();
    refuse(this.response, 502, {
      id: asId(this.message.id),
      code: -32603,
      message: "[MCP_NETWORK_UNAVAILABLE] The session is over.",
    });
  }

  forgotten(): void {
    this.#answered.abort();
  }

  #stream(): EventStream | undefined {
    if (!this.#peer) return undefined;
    return this.#events ??= new EventStream(this.response, this.#peer);
  }
}

function toolsOf(line: Uint8Array): JsonView | undefined {
  return new JsonView(line, 0, line.length).member("result")?.member("tools");
}

/** MCP 2026-07-28, streamable HTTP: some errors have a status of their own. */
function statusOf(line: Uint8Array): number {
  const code = new JsonView(line, 0, line.length).member("error")?.member("code")?.text();
  return code === undefined ? 200 : STATUS.get(Number(code)) ?? 200;
}

const STATUS: ReadonlyMap<number, number> = new Map([
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
  [-32700, 400],
  [-32600, 400],
]);
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const utf8 = new TextEncoder();
