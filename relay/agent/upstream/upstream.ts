import type { Buffer } from "node:buffer";
import type { RelayError } from "../../error.ts";
import type { OwnRequest } from "../own_request.ts";

/** The MCP server behind an agent, whatever its transport: messages in, messages out. */
export interface Upstream {
  /** Sends one message, without a line end. */
  send(message: Uint8Array): void;
  /** The server is slow to take messages: wait for `room()`. */
  readonly congested: boolean;
  /** Resolves when the server takes more; also when it never will again. */
  room(): Promise<void>;
  /**
   * Takes back each request that waits here and has not left, unless `mayGo` lets it; whoever asks
   * answers those. What is with the server, or on its way, is not here any more.
   */
  recall?(mayGo: (request: Uint8Array) => boolean): void;
  /** The id that the server has given to the session, if its transport has such. */
  readonly sessionId?: string | undefined;
  /** Bytes of messages that it keeps, in either direction. */
  readonly held: number;
  /** Stops and restarts the reading of messages. */
  pause(): void;
  resume(): void;
  /** Ends the server, gently first; resolves when nothing of it is left. */
  close(): Promise<void>;
}

export interface UpstreamHandlers {
  onMessage(message: Buffer): void;
  /** A message was too large and is lost; its ends may tell which request it answered. */
  onOversized(excerpt: { head: Buffer; tail: Buffer; bytes: number }): void;
  /** A stream of events was asked for; called before anything of it is. */
  onListen?(listened: Listened): void;
  /** The agent would ask the server something itself; it may when this resolves. */
  onAsk?(request: OwnRequest): Promise<void>;
  /** The server has ended without being asked to; nothing comes after this. */
  onExit(reason: RelayError): void;
}

/** How a server over HTTP has answered a GET. */
export interface Listened {
  /** The stream goes on from an event that came before. */
  readonly resumed: boolean;
  /** Why there is no stream, in words that a client may see. */
  readonly refused?: string | undefined;
}

/**
 * Headers that the agent adds to what it sends to an MCP server over HTTP: rewritten ones, a token
 * for the client, secrets. Asked anew for each request, so that what it knows may change. When it
 * rejects, the request is not sent.
 */
export type HeaderSource = () => Promise<readonly HttpHeader[]>;

export interface HttpHeader {
  readonly name: string;
  readonly value: string;
}
