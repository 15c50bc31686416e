/**
 * One session of the eras up to 2025-11-25 over HTTP, and the stdio server that it stands for. The
 * SDK's transport speaks HTTP; what passes through is passed on as it is.
 */
import { randomUUID } from "node:crypto";
import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/server";
import { StdioPeer } from "../../tools/attack_kit/stdio_peer.ts";
import { MemoryEventStore } from "./event_store.ts";

export interface LegacyOptions {
  readonly command: readonly string[];
  /** A tool whose stream the front closes once it is called, as its HTTP server is asked to. */
  readonly closesStream: string;
  readonly onOpen: (id: string, session: LegacySession) => void;
  readonly onClosed: (id: string) => void;
}

type Loose = {
  readonly id?: RequestId;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
};

export class LegacySession {
  readonly transport: NodeStreamableHTTPServerTransport;
  readonly #server: StdioPeer;
  /** Requests of the client that wait, with the token of their progress. */
  readonly #waiting = new Map<RequestId, unknown>();

  constructor({ command, closesStream, onOpen, onClosed }: LegacyOptions) {
    this.transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new MemoryEventStore(),
      retryInterval: 50,
      onsessioninitialized: (id) => onOpen(id, this),
      onsessionclosed: (id) => {
        onClosed(id);
        void this.close();
      },
    });
    this.#server = new StdioPeer(command, {
      keep: false,
      onLine: (line) => this.#fromServer(line),
    });
    this.transport.onmessage = (message) => this.#fromClient(message, closesStream);
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.transport.close();
  }

  #fromClient(message: JSONRPCMessage, closesStream: string): void {
    const { id, method, params } = message as Loose;
    if (id !== undefined && method !== undefined) {
      const meta = params?.["_meta"] as Record<string, unknown> | undefined;
      this.#waiting.set(id, meta?.["progressToken"]);
    }
    this.#server.send(JSON.stringify(message));
    if (method === "tools/call" && params?.["name"] === closesStream && id !== undefined) {
      this.transport.closeSSEStream(id);
    }
  }

  #fromServer(line: Uint8Array): void {
    const message = JSON.parse(new TextDecoder().decode(line)) as JSONRPCMessage & Loose;
    if (message.method === undefined) {
      if (message.id !== undefined) this.#waiting.delete(message.id);
      void this.transport.send(message);
      return;
    }
    const relatedRequestId = this.#related(message);
    void this.transport.send(
      message,
      relatedRequestId === undefined ? {} : { relatedRequestId },
    );
  }

  /** Stdio does not say which call a message belongs to; HTTP wants it on that call's stream. */
  #related({ params }: Loose): RequestId | undefined {
    const token = params?.["progressToken"];
    const waiting = [...this.#waiting];
    if (token !== undefined) return waiting.find(([, known]) => known === token)?.[0];
    return waiting.length === 1 ? waiting[0]?.[0] : undefined;
  }
}
