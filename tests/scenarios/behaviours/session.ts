/** A client that writes and records lines, so that two ways to one server can be compared. */
import { Buffer } from "node:buffer";
import { StdioPeer } from "../../../tools/attack_kit/stdio_peer.ts";
import { HUNG_MS } from "../../support/cluster_process.ts";

// deno-lint-ignore no-explicit-any
export type Message = any;

export class RecordedSession {
  readonly #peer: StdioPeer;
  readonly #messages: Message[] = [];

  constructor(command: readonly string[]) {
    this.#peer = new StdioPeer(command, {
      patience: HUNG_MS,
      onLine: (line) => void this.#messages.push(JSON.parse(line.toString())),
    });
  }

  /** What has come, line by line. */
  get lines(): readonly Buffer[] {
    return this.#peer.lines;
  }

  /** Writes bytes as they are. */
  raw(text: string | Uint8Array): void {
    this.#peer.write(text);
  }

  send(message: object): void {
    this.#peer.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  async request(id: number | string, method: string, params?: object): Promise<Message> {
    this.send(params === undefined ? { id, method } : { id, method, params });
    return await this.answer(id);
  }

  call(id: number | string, name: string, args: object = {}, more: object = {}): Promise<Message> {
    return this.request(id, "tools/call", { name, arguments: args, ...more });
  }

  answer(id: number | string): Promise<Message> {
    return this.until((it) => it.id === id && it.method === undefined, `an answer to ${id}`);
  }

  /** The first message that fits, come or still to come. */
  until(fits: (message: Message) => boolean, what: string): Promise<Message> {
    return this.#peer.until(() => this.#messages.find(fits), what);
  }

  /** How many messages fit so far. */
  count(fits: (message: Message) => boolean): number {
    return this.#messages.filter(fits).length;
  }

  /** The legacy handshake. */
  async initialize(capabilities: object = {}): Promise<void> {
    await this.request("init", "initialize", {
      protocolVersion: "2025-11-25",
      capabilities,
      clientInfo: { name: "recorder", version: "1.0.0" },
    });
    this.send({ method: "notifications/initialized" });
  }

  /** Answers each request of the server for `method`, once for each answer given. */
  async respond(method: string, ...results: object[]): Promise<void> {
    for (const [index, result] of results.entries()) {
      const asked = await this.#peer.until(
        () => this.#messages.filter((it) => it.method === method && it.id !== undefined)[index],
        `${method} is asked`,
      );
      this.send({ id: asked.id, result });
    }
  }

  /** Ends the server without asking: what it has said is recorded. */
  async kill(): Promise<void> {
    this.#peer.kill();
    await this.#peer.exit;
  }

  /** Closes stdin; the exit code. */
  async close(): Promise<number | null> {
    return (await this.#peer.close()).code;
  }
}
