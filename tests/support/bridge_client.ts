import { Buffer } from "node:buffer";
import { PassThrough } from "node:stream";
import { type IdentityFile, type Log, silentLog } from "../../identity/mod.ts";
import { type BridgeSettings, runBridge } from "../../relay/bridge/mod.ts";
import type { Cluster } from "./relay_cluster.ts";

// deno-lint-ignore no-explicit-any
export type Json = any;

/** An MCP client, as raw as tests need it, on the stdio side of a bridge. */
export class BridgeClient {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stop = new AbortController();
  readonly exit: Promise<number>;
  readonly received: Json[] = [];
  readonly warnings: string[] = [];
  /** Hears each message as it comes. */
  onMessage: (message: Json) => void = () => {};
  #rest = "";
  #waiting: (() => void)[] = [];

  constructor(
    cluster: Pick<Cluster, "proxy" | "authority">,
    identity: IdentityFile,
    { app = "fixture", proxy = cluster.proxy, identityPath = "/nowhere/identity", ...options }:
      & { app?: string; proxy?: string; identityPath?: string }
      & BridgeSettings = {},
  ) {
    this.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    const log: Log = {
      ...silentLog,
      warn: (message, fields) => void this.warnings.push(`${message} ${JSON.stringify(fields)}`),
    };
    this.exit = runBridge({
      identity,
      identityPath,
      proxy,
      app,
      stdin: this.stdin,
      stdout: this.stdout,
      log,
      signal: this.stop.signal,
      options: { connectAuthority: () => cluster.authority, ...options },
    });
  }

  send(message: unknown): void {
    this.raw(JSON.stringify(message) + "\n");
  }

  raw(text: string | Uint8Array): void {
    this.stdin.write(text);
  }

  /** Sends a request and resolves with its answer. */
  request(id: number | string, method: string, params: object = {}): Promise<Json> {
    this.send({ jsonrpc: "2.0", id, method, params });
    return this.answer(id);
  }

  call(id: number | string, name: string, args: object = {}): Promise<Json> {
    return this.request(id, "tools/call", { name, arguments: args });
  }

  answer(id: number | string): Promise<Json> {
    return this.until((message) => message.id === id && !("method" in message));
  }

  /** The first message that fits, come or still to come. */
  async until(fits: (message: Json) => boolean): Promise<Json> {
    while (true) {
      const found = this.received.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Closes stdin and resolves with the exit code. */
  close(): Promise<number> {
    this.stdin.end();
    return this.exit;
  }

  #take(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString("latin1")).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(Buffer.from(line, "latin1").toString());
      this.received.push(message);
      this.onMessage(message);
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
