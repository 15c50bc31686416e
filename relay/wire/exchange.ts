/**
 * The messages of one session, in both directions, over one connection after another. What the
 * other end has not had goes again over the next connection, in its order and once; of a connection
 * that was replaced nothing is heard any more.
 *
 * It leaves to its owner which connections belong to the session.
 */
import { RelayError } from "../error.ts";
import type { Channel, ChannelHandlers } from "./channel.ts";
import type { End } from "./handshake.ts";
import { Inbox } from "./inbox.ts";
import { Outbox, type Review, type Window } from "./outbox.ts";

/** What the other end says of itself when it greets. */
export interface Peer {
  readonly window: Window;
  /** The number of the last message that it has had. */
  readonly received: number;
}

export class Exchange {
  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox();
  #channel: Channel | undefined;
  #waiting: (() => void)[] = [];
  #over = false;

  /** There is a connection, as far as anybody knows. */
  get connected(): boolean {
    return this.#channel !== undefined;
  }

  /** The number of the last message that has come. */
  get received(): number {
    return this.#inbox.received;
  }

  /** The number of the message that was sent last, or is to be. */
  get sent(): number {
    return this.#outbox.lastSeq;
  }

  /** Bytes of messages that are kept here, of both directions. */
  get held(): number {
    return this.#outbox.bytes + this.#inbox.bytes;
  }

  /** Whether producers should wait for `room()`. */
  get congested(): boolean {
    return this.#outbox.full && !this.#over;
  }

  /** Resolves when the window has room, or nothing can be sent any more. */
  async room(): Promise<void> {
    while (this.congested) {
      if (this.#channel) await this.#channel.room();
      // A connection that was lost keeps nobody, but there is no room either.
      if (this.congested && !this.#channel) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  /**
   * Goes on over a connection on which both ends have greeted. The one before is cut first. Throws
   * `PROTOCOL` if the peer claims to have had what was never sent, or to miss what it acknowledged.
   */
  connect(channel: Channel, handlers: ChannelHandlers, peer: Peer, review?: Review): void {
    this.disconnect();
    if (!this.#outbox.resume(peer.received, review)) {
      throw new RelayError("PROTOCOL", "The other end claims messages that were never sent to it");
    }
    this.#channel = channel;
    channel.bind({ handlers, outbox: this.#outbox, inbox: this.#inbox });
    channel.grant(peer.window);
    this.#wake();
  }

  /** Tells the other end at once what has come, and with it that its greeting has. */
  confirm(): void {
    this.#channel?.confirm();
  }

  /** Cuts the connection, if there is one; what is to be sent waits for the next one. */
  disconnect(): void {
    this.#channel?.abandon();
    this.#channel = undefined;
  }

  /** Queues a message; the bytes must not be written to afterwards. */
  send(body: Uint8Array, about?: unknown): void {
    if (this.#over) return;
    if (this.#channel) this.#channel.send(body, about);
    else this.#outbox.append(body, about);
  }

  /** Marks a message of the other end; a mark that is lost with its connection is not made again. */
  markRepeatable(seq: number): void {
    this.#channel?.markRepeatable(seq);
  }

  /** The oldest message that is still here was passed on. */
  passedOn(): void {
    if (this.#channel) this.#channel.passedOn();
    else this.#inbox.passOn();
  }

  /** Says why it is over, as far as anybody listens. */
  end(end: End, options?: { discard?: boolean }): void {
    this.#channel?.end(end, options);
    this.close();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#over = true;
    this.#wake();
  }

  /** Closes without a word. */
  destroy(): void {
    this.#channel?.destroy();
    this.close();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
