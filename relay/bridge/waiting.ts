import type { Buffer } from "node:buffer";
import type { Clock } from "../../identity/mod.ts";
import { after } from "../after.ts";

/** Messages that may wait while there is no connection; beyond it stdin is not read. */
const MAX_BYTES = 4 * 1024 * 1024;

interface Entry {
  readonly line: Buffer;
  /** Milliseconds of the monotonic clock. */
  readonly until: number;
}

export interface WaitingOptions {
  readonly clock: Clock;
  /** How long a message may wait, in milliseconds. */
  readonly patience: number;
  /** It has waited too long. */
  readonly onExpired: (line: Buffer) => void;
}

/** Messages of the client that wait for a connection, each for a bounded time. */
export class Waiting {
  readonly #options: WaitingOptions;
  #entries: Entry[] = [];
  #bytes = 0;
  #timer: AbortController | undefined;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.length;
  }

  get full(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  add(line: Buffer): void {
    const { clock, patience } = this.#options;
    this.#entries.push({ line, until: clock.monotonic() + patience });
    this.#bytes += line.length;
    if (this.#timer === undefined) this.#wait();
  }

  /** All of them in their order; none waits any more. */
  take(): Buffer[] {
    const lines = this.#entries.map(({ line }) => line);
    this.#entries = [];
    this.#bytes = 0;
    this.#timer?.abort();
    this.#timer = undefined;
    return lines;
  }

  #wait(): void {
    const [first] = this.#entries;
    const { clock } = this.#options;
    this.#timer = first && new AbortController();
    if (!first || !this.#timer) return;
    after(clock, first.until - clock.monotonic(), this.#timer.signal, () => this.#expire());
  }

  #expire(): void {
    const now = this.#options.clock.monotonic();
    const late = this.#entries.filter(({ until }) => until <= now);
    this.#entries = this.#entries.slice(late.length);
    this.#bytes = this.#entries.reduce((sum, { line }) => sum + line.length, 0);
    for (const { line } of late) this.#options.onExpired(line);
    this.#wait();
  }
}
