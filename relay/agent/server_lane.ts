import type { Exchange } from "../wire/exchange.ts";
import { Lane, type Step } from "./lane.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** Answers of a server that may wait for their audit records; beyond it the server waits too. */
const MAX_LANE_BYTES = 4 * 1024 * 1024;

export interface ServerLaneOptions {
  /** Where messages go. */
  readonly exchange: Exchange;
  /** Where they come from, once it has started. */
  readonly upstream: () => Upstream | undefined;
  readonly onError: (error: unknown) => void;
}

/** The lane of what a server says, which is not read from while too much of it waits. */
export class ServerLane {
  readonly #options: ServerLaneOptions;
  readonly #lane: Lane;
  #stalled = false;

  constructor(options: ServerLaneOptions) {
    this.#options = options;
    this.#lane = new Lane(options.onError);
  }

  get bytes(): number {
    return this.#lane.bytes;
  }

  /** The server is not read from, until what it has said has left. */
  get stalled(): boolean {
    return this.#stalled;
  }

  push(step: Step): void {
    this.#lane.push(step);
    if (this.#options.exchange.congested || this.#lane.bytes > MAX_LANE_BYTES) this.#stall();
  }

  stop(): void {
    this.#lane.stop();
  }

  #stall(): void {
    if (this.#stalled) return;
    this.#stalled = true;
    const { exchange, upstream } = this.#options;
    upstream()?.pause();
    // The lane acts in order, so this comes when everything in front has gone and there is room.
    this.#lane.push({
      ready: undefined,
      bytes: 0,
      act: async () => {
        await exchange.room();
        this.#stalled = false;
        upstream()?.resume();
      },
    });
  }
}
