/** A TCP connection's way that a test can cut in the middle of what passes. */
import type { Buffer } from "node:buffer";
import net from "node:net";
import type { TestContext } from "./harness.ts";

export class Cutter {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #left = Infinity;
  #done = () => {};

  private constructor(target: string) {
    const [host = "", port] = target.split(":");
    this.#server = net.createServer((client) => {
      const server = net.connect({ host, port: Number(port) });
      this.#join(client, server, (chunk) => {
        this.#left -= chunk.length;
        if (this.#left < 0) this.#cut();
      });
      this.#join(server, client);
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

  /** Cuts nothing until told to. */
  heal(): void {
    this.#left = Infinity;
  }

  #join(from: net.Socket, to: net.Socket, seen: (chunk: Buffer) => void = () => {}): void {
    this.#sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("data", (chunk: Buffer) => {
      seen(chunk);
      if (!to.destroyed) to.write(chunk);
    });
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#done();
  }
}
