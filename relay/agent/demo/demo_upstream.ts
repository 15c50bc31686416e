/** The demo server as the server of a session: the SDK's, in this process, without a wire. */
import { Buffer } from "node:buffer";
import { InMemoryTransport } from "@modelcontextprotocol/server";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { serveStdio, type StdioServerHandle } from "@modelcontextprotocol/server/stdio";
import { RelayError } from "../../error.ts";
import type { Upstream, UpstreamHandlers } from "../upstream/upstream.ts";
import { type DemoFacts, demoServer } from "./demo_tools.ts";

/** Answers that may wait for a slow client; with more, the demo takes no further requests. */
const MAX_WAITING = 64;

/** Starts the demo server for one session, of whichever protocol era its client opens. */
export async function startDemoServer(
  facts: DemoFacts,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const [ours, its] = InMemoryTransport.createLinkedPair();
  const upstream = new DemoUpstream(ours, handlers);
  await ours.start();
  upstream.served = serveStdio(() => demoServer(facts), { transport: its });
  return upstream;
}

class DemoUpstream implements Upstream {
  served: StdioServerHandle | undefined;
  readonly #transport: InMemoryTransport;
  readonly #handlers: UpstreamHandlers;
  readonly #waiting: Buffer[] = [];
  #room: PromiseWithResolvers<void> | undefined;
  #paused = false;
  #closing = false;

  constructor(transport: InMemoryTransport, handlers: UpstreamHandlers) {
    this.#transport = transport;
    this.#handlers = handlers;
    transport.onmessage = (message) => this.#answer(message);
    transport.onclose = () => {
      this.#room?.resolve();
      if (this.#closing) return;
      handlers.onExit(new RelayError("SERVER_EXITED", "The demo server has ended"));
    };
  }

  send(message: Uint8Array): void {
    // The gate has written it: one message, of the shape that JSON-RPC wants.
    const parsed = JSON.parse(new TextDecoder().decode(message)) as JSONRPCMessage;
    // A server that has just ended has said so.
    this.#transport.send(parsed).catch(() => {});
  }

  get congested(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  get held(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  room(): Promise<void> {
    if (!this.congested || this.#closing) return Promise.resolve();
    return (this.#room ??= Promise.withResolvers<void>()).promise;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#handlers.onMessage(message);
    }
    if (this.congested) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#room?.resolve();
    this.#waiting.length = 0;
    await this.served?.close();
  }

  #answer(message: JSONRPCMessage): void {
    if (this.#closing) return;
    const bytes = Buffer.from(JSON.stringify(message));
    if (this.#paused) this.#waiting.push(bytes);
    else this.#handlers.onMessage(bytes);
  }
}
