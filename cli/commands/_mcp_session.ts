/**
 * An MCP client as small as a person at a terminal needs one: it greets the server of an app through
 * a bridge in this process, and asks one thing after another.
 */
import { Buffer } from "node:buffer";
import { PassThrough } from "node:stream";
import { readIdentityFile } from "../../identity/mod.ts";
import { LineSplitter, runBridge } from "../../relay/bridge/mod.ts";
import { RelayError } from "../../relay/mod.ts";
import type { TshHost } from "./_tsh_host.ts";
import { openLog, surroundings, type TshOptions } from "./_tsh_options.ts";

/** The newest revision of the protocol that begins with a handshake. */
const PROTOCOL = "2025-11-25";

/** Pages of one list; a server that has more is asked for no more. */
const MAX_PAGES = 100;

// What servers answer is shown, and not relied on.
// deno-lint-ignore no-explicit-any
export type Json = any;

/** The server has answered with an error. */
export class ServerRefused extends RelayError {
  constructor(doing: string, { code, message, data }: Json) {
    const more = typeof data === "string" ? ` (${data})` : "";
    super("SERVER_REFUSED", `Cannot ${doing}: ${message}${more} [${code}]`);
  }
}

export class McpSession {
  readonly #stdin = new PassThrough();
  readonly #waiting = new Map<number, (answer: Json) => void>();
  readonly #ended: Promise<number>;
  readonly #version: string;
  #ids = 0;
  /** What the server says of itself. */
  server: Json;

  private constructor(
    app: string,
    identity: Awaited<ReturnType<typeof readIdentityFile>>,
    where: { readonly identityPath: string; readonly proxy: string },
    options: TshOptions,
    host: TshHost,
  ) {
    this.#version = host.version;
    const stdout = new PassThrough();
    const lines = new LineSplitter({
      onLine: (line) => this.#take(line),
      onOversized: () => {},
    });
    stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    this.#ended = runBridge({
      identity,
      ...where,
      app,
      stdin: this.#stdin,
      stdout,
      log: openLog(options, host),
      signal: host.signal,
      options: {
        reconnect: true,
        client: `tsh/${host.version}`,
        connectAuthority: (given) => host.connect(given),
      },
    });
    // Whoever still waits when the bridge ends has nobody to wait for.
    void this.#ended.then(() => this.#end());
  }

  /** Runs `use` with a server that was greeted, and says goodbye to it. */
  static async with<T>(
    app: string,
    options: TshOptions,
    host: TshHost,
    use: (session: McpSession) => Promise<T>,
  ): Promise<T> {
    const where = surroundings(options, host, `reach app "${app}"`);
    const identity = await readIdentityFile(where.identityPath);
    const session = new McpSession(app, identity, where, options, host);
    try {
      await session.#greet(app);
      return await use(session);
    } finally {
      session.#stdin.end();
      await session.#ended;
    }
  }

  /** The result of a request; throws `ServerRefused` when there is none. */
  async request(method: string, params: object, doing: string): Promise<Json> {
    const id = ++this.#ids;
    const answer = new Promise<Json>((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    const { result, error } = await answer;
    if (error) throw new ServerRefused(doing, error);
    return result;
  }

  /** All entries of a list, from all of its pages. */
  async list(method: string, member: string): Promise<Json[]> {
    const found: Json[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const result = await this.request(method, cursor ? { cursor } : {}, `ask for ${method}`);
      found.push(...result?.[member] ?? []);
      cursor = result?.nextCursor;
      if (typeof cursor !== "string" || cursor === "") break;
    }
    return found;
  }

  async #greet(app: string): Promise<void> {
    this.server = await this.request("initialize", {
      protocolVersion: PROTOCOL,
      capabilities: {},
      clientInfo: { name: "tsh", version: this.#version },
    }, `reach app "${app}"`);
    this.#send({ method: "notifications/initialized" });
  }

  #take(line: Buffer): void {
    const { id, method, ...answer } = JSON.parse(line.toString());
    if (method === undefined) {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    } else if (id !== undefined) {
      const error = { code: -32601, message: "A person at a terminal does not answer that" };
      this.#send(method === "ping" ? { id, result: {} } : { id, error });
    }
  }

  #send(message: object): void {
    this.#stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #end(): void {
    const error = { code: -32603, message: "The session is over" };
    for (const resolve of this.#waiting.values()) resolve({ error });
    this.#waiting.clear();
  }
}
