/** One session with the agent, seen as lines: a bridge whose client is in this process. */
import { Buffer } from "node:buffer";
import { PassThrough } from "node:stream";
import { runBridge } from "../bridge/mod.ts";
import type { BridgeOptions } from "../bridge/mod.ts";
import { LineSplitter } from "../wire/line_splitter.ts";
import { MAX_MESSAGE_BYTES } from "../wire/frame.ts";

/** What all peers of a tunnel have in common. */
export type PeerOptions = Omit<BridgeOptions, "stdin" | "stdout" | "signal">;

export interface PeerHandlers {
  /** A message of the server: compact JSON that the gate has written. */
  onLine(line: Buffer): void;
  /** It is over; what waited has been answered before. */
  onOver(): void;
}

export class Peer {
  readonly #stdin = new PassThrough();
  readonly #stdout = new PassThrough();
  readonly #stop = new AbortController();
  readonly #over: Promise<void>;
  /** Streams that their clients read too slowly. */
  readonly #slow = new Set<object>();

  constructor(options: PeerOptions, handlers: PeerHandlers) {
    const lines = new LineSplitter(
      { onLine: (line) => handlers.onLine(line), onOversized: () => this.#stop.abort() },
      { limit: MAX_MESSAGE_BYTES },
    );
    this.#stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    const ended = new Promise<void>((resolve) => this.#stdout.once("end", resolve));
    const { signal } = this.#stop;
    const bridge = runBridge({ ...options, stdin: this.#stdin, stdout: this.#stdout, signal });
    this.#over = bridge.catch(() => {}).then(async () => {
      this.#stdout.end();
      this.#slow.clear();
      this.#stdout.resume();
      await ended;
      handlers.onOver();
    });
  }

  send(message: Uint8Array): void {
    this.#stdin.write(message);
    this.#stdin.write(LF);
  }

  /** Resolves once another message may be sent, or none will be passed on any more. */
  async room(): Promise<void> {
    if (!this.#stdin.writableNeedDrain) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stdin.once("drain", resolve);
    await Promise.race([promise, this.#over]);
    this.#stdin.off("drain", resolve);
  }

  /** Reads on only once `stream` has room again; whoever calls says so with `resume`. */
  pause(stream: object): void {
    this.#slow.add(stream);
    this.#stdout.pause();
  }

  resume(stream: object): void {
    if (this.#slow.delete(stream) && this.#slow.size === 0) this.#stdout.resume();
  }

  /** Ends the session; resolves once it is over. */
  close(): Promise<void> {
    this.#stop.abort();
    return this.#over;
  }
}

const LF = Buffer.from("\n");
