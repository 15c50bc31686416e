/**
 * One session of the revisions up to 2025-11-25: one session with the agent, whose messages are
 * spread over the streams that the client holds open. It answers no message itself.
 */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { errorReply } from "../wire/refusal.ts";
import { asId } from "../wire/excerpt.ts";
import { idText, type Outgoing, readOutgoing } from "../http/outgoing.ts";
import { SESSION_ID } from "../http/mcp_headers.ts";
import { MAX_EARLY, MAX_EARLY_BYTES } from "./limits.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { EventStream, refuse } from "./reply.ts";

interface Waiting {
  readonly stream: EventStream;
  /** As JSON text. */
  readonly progressToken: string | undefined;
}

export interface LegacySessionHooks {
  readonly onOver: (session: LegacySession) => void;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export class LegacySession {
  /** Unguessable: whoever knows it may speak in the session. */
  readonly id: string = randomUUID();
  readonly #peer: Peer;
  readonly #hooks: LegacySessionHooks;
  /** Requests of the client without an answer, by id as JSON text. */
  readonly #waiting = new Map<string, Waiting>();
  /** What the server says without being asked. */
  #listener: EventStream | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #lastUsed: number;

  constructor(options: PeerOptions, hooks: LegacySessionHooks) {
    this.#hooks = hooks;
    this.#lastUsed = hooks.now();
    this.#peer = new Peer(options, {
      onLine: (line) => this.#deliver(line),
      onOver: () => {
        for (const { stream } of this.#waiting.values()) stream.end();
        this.#waiting.clear();
        this.#listener?.end();
        hooks.onOver(this);
      },
    });
  }

  /** Since when nobody has used it; `undefined` while somebody does. */
  get idleSince(): number | undefined {
    return this.#waiting.size > 0 || this.#listener?.open ? undefined : this.#lastUsed;
  }

  /** Passes a request on; its answer comes on a stream of its own. */
  async request(message: Outgoing, response: ServerResponse): Promise<void> {
    this.#lastUsed = this.#hooks.now();
    const { id = "", params } = message;
    if (this.#waiting.has(id)) {
      return refuse(response, 400, {
        id: asId(id),
        code: -32600,
        message: "A request with this id is waiting for its answer",
      });
    }
    const progressToken = idText(params?.member("_meta")?.member("progressToken"));
    const stream = new EventStream(response, this.#peer, { [SESSION_ID]: this.id });
    this.#waiting.set(id, { stream, progressToken });
    this.#peer.send(message.bytes);
    await this.#peer.room();
  }

  /** Passes on what gets no answer. */
  async tell(message: Outgoing): Promise<void> {
    this.#lastUsed = this.#hooks.now();
    this.#peer.send(message.bytes);
    if (message.method === "notifications/cancelled") {
      const id = idText(message.params?.member("requestId")) ?? "";
      this.#waiting.get(id)?.stream.end();
      this.#waiting.delete(id);
    }
    await this.#peer.room();
  }

  /** Opens the stream for what the server says unasked; there is one at a time. */
  listen(response: ServerResponse): void {
    this.#lastUsed = this.#hooks.now();
    if (this.#listener?.open) {
      return refuse(response, 409, {
        code: -32600,
        message: "This session has its stream already",
      });
    }
    const stream = this.#listener = new EventStream(response, this.#peer, {
      [SESSION_ID]: this.id,
    });
    for (const message of this.#early.splice(0)) stream.send(message);
    this.#earlyBytes = 0;
  }

  close(): Promise<void> {
    return this.#peer.close();
  }

  #deliver(line: Uint8Array): void {
    this.#lastUsed = this.#hooks.now();
    const message = readOutgoing(line);
    if (message.kind === "response") {
      const waiting = this.#waiting.get(message.id ?? "");
      this.#waiting.delete(message.id ?? "");
      waiting?.stream.send(line);
      waiting?.stream.end();
      return;
    }
    const stream = this.#streamFor(message);
    if (stream) stream.send(line);
    else this.#keep(message);
  }

  /** Frames do not say which call a message belongs to; HTTP wants it on that call's stream. */
  #streamFor({ params }: Outgoing): EventStream | undefined {
    const waiting = [...this.#waiting.values()].filter(({ stream }) => stream.open);
    const token = idText(params?.member("progressToken"));
    const own = token === undefined
      ? undefined
      : waiting.find(({ progressToken }) => progressToken === token);
    if (own) return own.stream;
    if (waiting.length === 1) return waiting[0]?.stream;
    return this.#listener?.open ? this.#listener : waiting.at(-1)?.stream;
  }

  #keep({ bytes, id, kind }: Outgoing): void {
    if (this.#early.length < MAX_EARLY && this.#earlyBytes + bytes.length <= MAX_EARLY_BYTES) {
      this.#early.push(bytes);
      this.#earlyBytes += bytes.length;
    } else if (kind === "request") {
      // The server would wait for ever.
      const text = "The client holds no stream open on which it could be asked";
      this.#peer.send(errorReply(asId(id), -32603, text));
    }
  }
}
