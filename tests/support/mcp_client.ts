/** A real MCP client: the SDK's, which starts its server as a child and speaks over stdio. */
import type { ChildProcess } from "node:child_process";
import { within } from "./cluster_process.ts";
// The package's type files stand under names without `.js`, its code under names with it.
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { McpError, ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

export interface McpClientOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/** The SDK's transport closes stdin and waits as well, but leaves the timer of its wait behind. */
class TidyTransport extends StdioClientTransport {
  override async close(): Promise<void> {
    const { _process: child } = this as unknown as { _process?: ChildProcess };
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
      child.stdin?.end();
      // One that stays is ended by the SDK.
      await within(gone, "the server to end").catch(() => {});
    }
    await super.close();
  }
}

export class McpClient {
  readonly #client = new Client({ name: "example-client", version: "1.0.0" });
  readonly #transport: TidyTransport;
  #stderr = "";
  #listChanges = 0;
  #closed = false;

  private constructor({ command, args, cwd }: McpClientOptions) {
    this.#transport = new TidyTransport({ command, args: [...args], cwd, stderr: "pipe" });
    this.#transport.stderr?.on("data", (chunk: Uint8Array) => {
      this.#stderr += new TextDecoder().decode(chunk);
    });
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      this.#listChanges++;
    });
    this.#client.onclose = () => void (this.#closed = true);
  }

  /** Starts the server and greets it. */
  static async open(options: McpClientOptions): Promise<McpClient> {
    const client = new McpClient(options);
    try {
      await client.#client.connect(client.#transport);
      return client;
    } catch (error) {
      // Why it failed often stands on stderr alone; that of a server which has ended is complete.
      await client.close();
      throw new McpOpenError(error, client.#stderr);
    }
  }

  /** The server's process. */
  get pid(): number {
    return this.#transport.pid ?? -1;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** How often the server has said that its tools are others now. */
  get listChanges(): number {
    return this.#listChanges;
  }

  /** Whether the server has gone. */
  get closed(): boolean {
    return this.#closed;
  }

  get server(): string {
    const { name = "?", version = "?" } = this.#client.getServerVersion() ?? {};
    return `${name} ${version}`;
  }

  async tools(): Promise<string[]> {
    return (await this.#client.listTools()).tools.map(({ name }) => name);
  }

  /** The text of the tool's answer. */
  async call(name: string, args: Record<string, unknown> = {}): Promise<string> {
    const { content } = await this.#client.callTool({ name, arguments: args });
    return (content as { type: string; text?: string }[]).map(({ text = "" }) => text).join("\n");
  }

  /** The error that the call is answered with; throws when it is not. */
  async refusal(name: string, args: Record<string, unknown> = {}): Promise<McpError> {
    let answer: string;
    try {
      answer = await this.call(name, args);
    } catch (error) {
      if (error instanceof McpError) return error;
      throw error;
    }
    throw new Error(`the call of ${name} was answered: ${answer}`);
  }

  /** Sends a message as it is. */
  send(
    message: { jsonrpc: "2.0"; method: string; params?: Record<string, unknown> },
  ): Promise<void> {
    return this.#transport.send(message);
  }

  /** Closes the server's stdin, which asks it to end, and ends it if need be. */
  close(): Promise<void> {
    return this.#client.close();
  }
}

/** The server could not be greeted. */
export class McpOpenError extends Error {
  override readonly name = "McpOpenError";
  readonly stderr: string;

  constructor(cause: unknown, stderr: string) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.stderr = stderr;
  }
}
