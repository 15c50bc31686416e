/** A TCP connection's way that a test can cut in the middle of what passes. */
import type { Buffer } from "node:buffer";
import net from "node:net";
import type { TestContext } from "./harness.ts";

export class Cutter {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #left = Infinity;
  #leftOfBoth = Infinity;
  #blocked = false;
  #done = () => {};

  private constructor(target: string) {
    const [host = "", port] = target.split(":");
    this.#server = net.createServer((client) => {
      if (this.#blocked) return void client.destroy();
      const server = net.connect({ host, port: Number(port) });
      const count = ({ length }: Buffer, own: number) => {
        this.#left -= own;
        // What is beyond the cut is not passed on.
        const most = Math.max(0, Math.min(length, this.#leftOfBoth));
        this.#leftOfBoth -= length;
        return most;
      };
      this.#join(client, server, (chunk) => count(chunk, chunk.length));
      this.#join(server, client, (chunk) => count(chunk, 0));
    });
  }

  /** A way to `host:port`; `address` is where it begins. */
  static async open(context: TestContext, target: string): Promise<Cutter> {
    const cutter = new Cutter(target);
    await new Promise<void>((resolve) => cutter.#server.listen(0, "127.0.0.1", resolve));
    context.cleanup(() => {
      cutter.#server.close();
      cutter.#cut();
    });
    return cutter;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /**
   * Cuts all connections, towards both sides, once the client has sent so many more bytes; resolves
   * when that has happened.
   */
  cutAfter(bytes: number): Promise<void> {
    this.#left = bytes;
    return new Promise((resolve) => this.#done = resolve);
  }

  /** The same after so many bytes of both sides together, in the middle of a chunk if need be. */
  cutWithin(bytes: number): Promise<void> {
    this.#leftOfBoth = bytes;
    return new Promise((resolve) => this.#done = resolve);
  }

  /** Cuts all connections now. */
  cut(): void {
    this.#cut();
  }

  /** Cuts all connections, and lets none through until it is healed. */
  block(): void {
    this.#blocked = true;
    this.#cut();
  }

  /** Cuts nothing until told to. */
  heal(): void {
    this.#left = this.#leftOfBoth = Infinity;
    this.#blocked = false;
  }

  /** `most` says how many bytes of a chunk go on. */
  #join(from: net.Socket, to: net.Socket, most: (chunk: Buffer) => number): void {
    this.#sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("data", (chunk: Buffer) => {
      const length = most(chunk);
      if (this.#left < 0) this.#cut();
      if (!to.destroyed) to.write(chunk.subarray(0, length));
      if (length < chunk.length) this.#cutSoon();
    });
  }

  /** Once what was let through has left. */
  #cutSoon(): void {
    this.#leftOfBoth = Infinity;
    setTimeout(() => this.#cut(), 1);
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#done();
  }
}
