/**
 * The count of messages that arrived in order, and of those that were passed on. The difference is
 * what this end holds in memory, and the window that it granted bounds it.
 */
import { RelayError } from "../error.ts";
import { DEFAULT_WINDOW, type Window } from "./outbox.ts";
import { Queue } from "./queue.ts";

export class Inbox {
  readonly #sizes = new Queue<number>();
  readonly #window: Window;
  #bytes = 0;
  #received = 0;
  #passedOn = 0;
  #announced = 0;
  #unannouncedBytes = 0;

  constructor(window: Window = DEFAULT_WINDOW) {
    this.#window = window;
  }

  /** Counts message `seq` in; throws if it is out of order or was sent beyond the window. */
  receive(seq: number, size: number): void {
    if (seq !== this.#received + 1) {
      throw new RelayError(
        "PROTOCOL",
        `Cannot take message ${seq}: ${this.#received + 1} is the next in order`,
      );
    }
    const crowded = this.#sizes.size > 0 && this.#bytes + size > this.#window.bytes;
    if (crowded || this.#sizes.size >= this.#window.messages) {
      throw new RelayError("LIMIT_EXCEEDED", "Cannot take a message beyond the granted window");
    }
    this.#received = seq;
    this.#sizes.push(size);
    this.#bytes += size;
  }

  /** The message that arrived first of those still here was passed on. */
  passOn(): void {
    const size = this.#sizes.shift();
    if (size === undefined) return;
    this.#bytes -= size;
    this.#unannouncedBytes += size;
    this.#passedOn++;
  }

  /** The number of the message that arrived last. */
  get received(): number {
    return this.#received;
  }

  /** The next acknowledgement is worth sending even if it says nothing new: on a new connection. */
  confirm(): void {
    this.#announced = -1;
  }

  /** What has arrived and was not passed on. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something can be acknowledged. */
  get owes(): boolean {
    return this.#passedOn > this.#announced;
  }

  /** So much can be acknowledged that the sender may soon stand still. */
  get owesMuch(): boolean {
    return this.#unannouncedBytes * 4 >= this.#window.bytes ||
      (this.#passedOn - this.#announced) * 4 >= this.#window.messages;
  }

  /** The number to acknowledge now; it counts as told. */
  announce(): number {
    this.#announced = this.#passedOn;
    this.#unannouncedBytes = 0;
    return this.#announced;
  }
}
