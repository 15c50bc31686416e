import { Buffer } from "node:buffer";
import tls from "node:tls";
import { Channel, type ChannelHandlers } from "../../relay/wire/channel.ts";
import { ALPN, FrameType } from "../../relay/wire/frame.ts";
import type { Exchange } from "../../relay/wire/exchange.ts";
import {
  type End,
  parseWelcome,
  type Resumable,
  type Resumption,
  type Welcome,
} from "../../relay/wire/handshake.ts";
import { DEFAULT_WINDOW } from "../../relay/wire/outbox.ts";
import type { Cluster, Issued } from "./relay_cluster.ts";

/** The client side of `postern/1` as a test wants it: honest only as far as it is told to be. */
export class RawBridge implements ChannelHandlers {
  readonly messages: unknown[] = [];
  readonly closed = Promise.withResolvers<Error | undefined>();
  readonly welcomed = Promise.withResolvers<void>();
  ended: End | undefined;
  welcome: Welcome | undefined;
  /** Whether it proves that WELCOME has come. */
  confirms = true;
  #gone = false;
  readonly channel: Channel;
  #waiting: (() => void)[] = [];

  /** With an exchange, messages are counted across connections. */
  constructor(
    readonly stream: tls.TLSSocket,
    readonly issued: Issued,
    readonly exchange?: Exchange,
  ) {
    this.channel = new Channel(stream, this);
    this.welcomed.promise.catch(() => {});
  }

  /** How the connection ended: the code of END, or `closed` if nothing was said. */
  async outcome(): Promise<string> {
    await this.closed.promise;
    return this.ended?.code ?? "closed";
  }

  hello(
    { session = this.issued.claims.session, app = this.issued.claims.app, resume }: {
      session?: string;
      app?: string;
      resume?: Partial<Resumption>;
    } = {},
  ): this {
    const window = DEFAULT_WINDOW;
    const hello = { session, app, client: "test", window, ...(resume && { resume }) };
    this.channel.greet(FrameType.HELLO, hello);
    return this;
  }

  /** What WELCOME says about resuming. */
  get resumable(): Resumable {
    return this.welcome!.resume!;
  }

  send(message: unknown): this {
    (this.exchange ?? this.channel).send(Buffer.from(JSON.stringify(message)));
    return this;
  }

  // deno-lint-ignore no-explicit-any
  async until(fits: (message: any) => boolean): Promise<any> {
    while (true) {
      const found = this.messages.find(fits);
      if (found) return found;
      if (this.#gone) throw new Error(`Closed: ${this.ended?.code ?? "without a word"}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  onGreeting(body: Buffer): void {
    this.welcome = parseWelcome(body);
    const { received = 0 } = this.welcome.resume ?? {};
    if (this.exchange) {
      const peer = { window: this.welcome.window, received };
      this.exchange.connect(this.channel, this, peer);
      if (this.confirms) this.channel.confirm();
    }
    this.welcomed.resolve();
  }
  onMessage(body: Buffer): void {
    this.messages.push(JSON.parse(body.toString()));
    (this.exchange ?? this.channel).passedOn();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
  onEnd(end: End): void {
    this.ended = end;
  }
  onClose(error: Error | undefined): void {
    this.#gone = true;
    this.closed.resolve(error);
    this.welcomed.reject(new Error(`No WELCOME: ${this.ended?.code ?? "closed"}`));
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Connects to the cluster's agent; `undefined` in `issued` shows no certificate. */
export async function connectRaw(
  cluster: Cluster,
  issued: Issued,
  options: Partial<tls.ConnectionOptions> = {},
  exchange?: Exchange,
): Promise<RawBridge> {
  const stream = await connectTls(cluster, issued, options);
  return new RawBridge(stream, issued, exchange);
}

/** The TLS connection alone. In TLS 1.3 the client is done before the server has judged it. */
export function connectTls(
  cluster: Cluster,
  { certificate, key, claims }: Issued,
  options: Partial<tls.ConnectionOptions> = {},
): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const stream = tls.connect({
      host: "127.0.0.1",
      port: cluster.listener.address.port,
      servername: cluster.route(claims.ticket),
      cert: certificate,
      key,
      ca: [cluster.hostCa.certificate],
      ALPNProtocols: [ALPN],
      checkServerIdentity: () => undefined,
      ...options,
    });
    stream.once("secureConnect", () => resolve(stream));
    stream.once("error", reject);
  });
}
