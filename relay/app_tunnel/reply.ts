/** What answers one HTTP request: a JSON document, or a stream of events. */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { errorReply, type MessageId } from "../wire/refusal.ts";
import type { Peer } from "./peer.ts";

/** An answer without a message of its own. */
export function answerEmpty(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, "content-length": "0" }).end();
}

/** A refusal as MCP wants it: an HTTP status and a JSON-RPC error. */
export function refuse(
  response: ServerResponse,
  status: number,
  { id, code, message, headers = {} }: {
    readonly id?: MessageId | undefined;
    readonly code: number;
    readonly message: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): void {
  answerJson(response, status, errorReply(id, code, message), headers);
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "content-length": String(body.length),
  }).end(body);
}

/** A stream of events to one caller. While it is read too slowly, so is the peer. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #peer: Peer;

  constructor(
    response: ServerResponse,
    peer: Peer,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#response = response;
    this.#peer = peer;
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
    });
    response.flushHeaders();
    response.on("drain", () => peer.resume(this));
    response.on("close", () => peer.resume(this));
  }

  get open(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Sends a message, which has no line end in it. */
  send(message: Uint8Array): void {
    if (!this.open) return;
    const room = this.#response.write(Buffer.concat([DATA, message, END]));
    if (!room) this.#peer.pause(this);
  }

  end(): void {
    if (this.open) this.#response.end();
  }
}

const DATA = Buffer.from("event: message\ndata: ");
const END = Buffer.from("\n\n");
