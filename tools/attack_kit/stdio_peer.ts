/**
 * A program that is spoken to over stdin and stdout, in raw bytes: what is sent is sent as it is,
 * and what comes back is kept as it came, cut at line feeds and nowhere else. No MCP library is
 * between a test and the wire.
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

export interface PeerOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which a wait counts as hung. */
  readonly patience?: number;
  /** Called for each line besides its being kept; `keep: false` keeps none. */
  readonly onLine?: (line: Buffer) => void;
  readonly keep?: boolean;
}

export interface PeerExit {
  readonly code: number | null;
  readonly signal: string | null;
}

const PATIENCE_MS = 60_000;
const LF = 0x0a;

export class StdioPeer {
  readonly lines: Buffer[] = [];
  readonly exit: Promise<PeerExit>;
  stderr = "";
  #exited: PeerExit | undefined;
  readonly #child: ChildProcess & { stdin: Writable; stdout: Readable; stderr: Readable };
  readonly #options: PeerOptions;
  #pieces: Buffer[] = [];
  #waiting: (() => void)[] = [];

  constructor(command: readonly string[], options: PeerOptions = {}) {
    const [program = "", ...args] = command;
    this.#options = options;
    this.#child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
    });
    const decoder = new TextDecoder();
    this.#child.stderr.on("data", (chunk: Buffer) => {
      // The end says why something failed; the rest is not worth unbounded memory.
      this.stderr = (this.stderr + decoder.decode(chunk, { stream: true })).slice(-1_000_000);
      this.#wake();
    });
    this.#child.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    // A peer that has ended takes no more input; its exit says so already.
    this.#child.stdin.on("error", () => {});
    this.exit = new Promise((resolve) => {
      const ended = (exit: PeerExit) => {
        this.#exited ??= exit;
        this.#wake();
        resolve(this.#exited);
      };
      this.#child.once("error", (error) => {
        this.stderr += error.message;
        ended({ code: null, signal: null });
      });
      this.#child.once("close", (code, signal) => ended({ code, signal }));
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get exited(): PeerExit | undefined {
    return this.#exited;
  }

  /** Sends bytes exactly as they are. */
  write(bytes: string | Uint8Array): void {
    this.#child.stdin.write(bytes);
  }

  /** Sends one line. */
  send(line: string | Uint8Array): void {
    const body = typeof line === "string" ? Buffer.from(line) : line;
    this.#child.stdin.write(Buffer.concat([body, Buffer.from([LF])]));
  }

  /** Waits until `found` finds something, looking again whenever something has come. */
  async until<T>(found: () => T | undefined | false, what: string): Promise<T> {
    const end = Date.now() + (this.#options.patience ?? PATIENCE_MS);
    while (true) {
      const value = found();
      if (value !== undefined && value !== false) return value;
      if (this.#exited) {
        throw new Error(`the peer ended before ${what}: ${this.stderr.slice(-2000)}`);
      }
      if (Date.now() > end) throw new Error(`hung: waiting until ${what}`);
      await this.#change(end - Date.now());
    }
  }

  /** Closes its stdin, which asks an MCP server to end, and waits for that. */
  async close(): Promise<PeerExit> {
    if (this.#exited === undefined) this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), this.#options.patience ?? 20_000);
    try {
      return await this.exit;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #take(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#pieces.push(chunk.subarray(start, end));
      const line = Buffer.concat(this.#pieces);
      this.#pieces = [];
      if (this.#options.keep !== false) this.lines.push(line);
      this.#options.onLine?.(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#pieces.push(chunk.subarray(start));
    this.#wake();
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
