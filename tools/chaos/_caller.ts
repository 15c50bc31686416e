// A bridge and the client that has started it, who calls all the time.
import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../../tests/support/cluster_process.ts";
import { CountingClient } from "../../tests/support/counting_client.ts";
import { StdioPeer } from "../attack_kit/stdio_peer.ts";
import type { Machine } from "./_network.ts";

/** Calls under way at a time. */
const LANES = 2;

/** Milliseconds between an answer and the next call of its lane. */
const PAUSE_MS = 60;

/** Milliseconds: clients of MCP give up after a minute. */
const DEADLINE_MS = 60_000;

export interface CallerOptions {
  readonly number: number;
  readonly machine: Machine;
  readonly identity: string;
  readonly proxy: string;
  readonly app: string;
  readonly cwd: string;
}

export class Caller {
  readonly name: string;
  readonly client: CountingClient;
  readonly #peer: StdioPeer;
  #work: Promise<unknown> = Promise.resolve();
  #stopped = false;
  /** The round that is now, and the last one in which a call began that was answered with success. */
  #round = 0;
  #served = 0;

  constructor({ number, machine, identity, proxy, app, cwd }: CallerOptions) {
    this.name = `bridge-${number}`;
    this.client = new CountingClient({ send: (message) => peer.send(JSON.stringify(message)) }, {
      from: number * 1e8,
      deadline: DEADLINE_MS,
    });
    const line = ["mcp", "connect", "-i", identity, "--proxy", proxy, app];
    const peer = this.#peer = new StdioPeer([...machine.enter, program("tsh"), ...line], {
      cwd,
      keep: false,
      onLine: (text) => this.client.take(JSON.parse(text.toString())),
    });
  }

  get pid(): number {
    return this.#peer.pid;
  }

  get stderr(): string {
    return this.#peer.stderr;
  }

  /** Rejects when a call was answered wrongly, or not in time. */
  get works(): Promise<unknown> {
    return this.#work;
  }

  async start(): Promise<void> {
    await this.client.greet();
    this.#work = Promise.all(Array.from({ length: LANES }, () => this.#call()));
    this.#work.catch(() => {});
  }

  /** Resolves once a call has been answered with success that began after now. */
  async served(): Promise<void> {
    const round = ++this.#round;
    while (this.#served < round) {
      await Promise.race([sleep(10), this.#work.then(() => sleep(10))]);
      if (this.#peer.exited) throw new Error(`${this.name} has ended: ${this.stderr}`);
    }
  }

  /** Ends the work and the bridge; its exit code. */
  async stop(): Promise<number | null> {
    this.#stopped = true;
    await this.#work;
    return (await this.#peer.close()).code;
  }

  async #call(): Promise<void> {
    while (!this.#stopped) {
      const round = this.#round;
      const outcome = await this.client.count();
      if (outcome === "success") this.#served = Math.max(this.#served, round);
      await sleep(PAUSE_MS);
    }
  }
}
