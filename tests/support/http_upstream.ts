// MCP servers over HTTP for tests: programs of others, and small ones that do as a test says.
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import http from "node:http";
import process from "node:process";
import { type App, silentLog } from "../../identity/mod.ts";
import type { RelayError } from "../../relay/error.ts";
import { type StartOptions, startUpstream } from "../../relay/agent/upstream/start.ts";
import type { OwnRequest } from "../../relay/agent/own_request.ts";
import type { Listened } from "../../relay/agent/upstream/upstream.ts";
import type { Json } from "./bridge_client.ts";
import type { TestContext } from "./harness.ts";

const LOOPBACK = new URL("../fixtures/upstreams/loopback.mjs", import.meta.url).href;
export const EVERYTHING = new URL(
  "../../node_modules/@modelcontextprotocol/server-everything/dist/index.js",
  import.meta.url,
).pathname;

/** Starts a Node program that serves HTTP; the port it listens on. */
export async function startNodeServer(
  args: readonly string[],
  { cleanup }: Pick<TestContext, "cleanup">,
): Promise<number> {
  const child = spawn("node", ["--import", LOOPBACK, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const gone = new Promise((resolve) => child.once("close", resolve));
  cleanup(() => {
    child.kill("SIGKILL");
    return gone;
  });
  let said = "";
  return await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      const port = /LISTENING (\d+)/.exec(said += chunk)?.[1];
      if (port) resolve(Number(port));
    });
    void gone.then(() => reject(new Error(`The server ended: ${said}`)));
  });
}

export function httpApp(name: string, uri: string, more: Partial<App> = {}): App {
  return { name, description: "", uri, labels: { env: "test" }, ...more };
}

/** One request as a small server sees it. */
export interface Seen {
  readonly method: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The body, if it is JSON. */
  readonly body: Json;
  readonly response: http.ServerResponse;
  /** Resolves when the other side has gone or everything was said. */
  readonly closed: Promise<void>;
}

/** A server that does as `answer` says, and remembers what it was asked. */
export class SmallServer {
  readonly seen: Seen[] = [];
  readonly #server: http.Server;
  #waiting: (() => void)[] = [];

  private constructor(answer: (seen: Seen) => unknown) {
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
        const { method = "", headers } = request;
        const body = text === "" ? undefined : JSON.parse(text);
        const seen = { method, headers, text, body, response, closed };
        this.seen.push(seen);
        for (const resolve of this.#waiting.splice(0)) resolve();
        answer(seen);
      });
      response.on("error", () => {});
      request.on("error", () => {});
    });
  }

  static async start(
    answer: (seen: Seen) => unknown,
    { cleanup }: Pick<TestContext, "cleanup">,
  ): Promise<SmallServer> {
    const server = new SmallServer(answer);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    cleanup(() => server.close());
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  /** The first request that fits, come or still to come. */
  async until(fits: (seen: Seen) => boolean): Promise<Seen> {
    while (true) {
      const found = this.seen.find(fits);
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

export function json(response: http.ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof value === "string" ? value : JSON.stringify(value));
}

/** Begins a stream of events. */
export function events(response: http.ServerResponse, text = ""): http.ServerResponse {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  if (text) response.write(text);
  return response;
}

export function event(message: unknown, fields = ""): string {
  return `${fields}data: ${JSON.stringify(message)}\n\n`;
}

/** An upstream without an agent, and what it has said. */
export class Reached {
  readonly heard: string[] = [];
  readonly oversized: number[] = [];
  readonly listened: Listened[] = [];
  /** What the agent would ask itself, and whether it may. */
  readonly asked: OwnRequest[] = [];
  mayAsk = () => Promise.resolve();
  readonly exit = Promise.withResolvers<RelayError>();
  #waiting: (() => void)[] = [];
  upstream!: Awaited<ReturnType<typeof startUpstream>>;

  static async start(
    options: Partial<StartOptions> & Pick<StartOptions, "app">,
    { cleanup }: Pick<TestContext, "cleanup">,
    onListen?: (listened: Listened) => void,
  ): Promise<Reached> {
    const reached = new Reached();
    const wake = () => {
      for (const resolve of reached.#waiting.splice(0)) resolve();
    };
    reached.upstream = await startUpstream({ log: silentLog, ...options }, {
      onMessage: (line) => {
        reached.heard.push(line.toString());
        wake();
      },
      onOversized: ({ bytes }) => {
        reached.oversized.push(bytes);
        wake();
      },
      onAsk: (request) => {
        reached.asked.push(request);
        return reached.mayAsk();
      },
      onListen: (listened) => {
        reached.listened.push(listened);
        onListen?.(listened);
        wake();
      },
      onExit: (reason) => {
        reached.exit.resolve(reason);
        wake();
      },
    });
    cleanup(() => reached.upstream.close());
    return reached;
  }

  send(message: unknown): void {
    this.upstream.send(Buffer.from(JSON.stringify(message)));
  }

  /** Sends a request and resolves with its answer. */
  request(id: number | string, method: string, params: object = {}): Promise<Json> {
    this.send({ jsonrpc: "2.0", id, method, params });
    return this.answer(id);
  }

  notify(method: string, params?: object): void {
    this.send({ jsonrpc: "2.0", method, ...(params && { params }) });
  }

  async answer(id: number | string): Promise<Json> {
    return await this.until((message) => message.id === id && message.method === undefined);
  }

  async until(fits: (message: Json) => boolean): Promise<Json> {
    await this.state(() => this.messages.some(fits));
    return this.messages.find(fits);
  }

  /** Waits until something that was heard makes it true. */
  async state(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get messages(): Json[] {
    for (const line of this.heard.slice(this.#parsed.length)) this.#parsed.push(JSON.parse(line));
    return this.#parsed;
  }

  readonly #parsed: Json[] = [];
}

/** The beginning of a session of the older era. */
export const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

/** What a request of 2026-07-28 says of itself. */
export const MODERN_META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
