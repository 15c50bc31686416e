import { type ChildProcess, spawn } from "node:child_process";
import { Buffer } from "node:buffer";

/** Longer than any message takes; a benchmark that hangs has to say so. */
const HUNG_MS = 60_000;

/** What a program has to end by itself once its input has ended. */
const GRACE_MS = 5_000;

/** A client that costs next to nothing: it looks for line ends and ids, and parses no answer. */
export class StdioClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Buffer) => void>();
  #rest: Buffer[] = [];
  #next = 0;
  #fail: (error: Error) => void = () => {};
  readonly #failed: Promise<never>;

  constructor(command: readonly string[], cwd: string) {
    const [program = "", ...args] = command;
    this.#failed = new Promise((_, reject) => (this.#fail = reject));
    this.#failed.catch(() => {});
    this.#child = spawn(program, args, { cwd, stdio: ["pipe", "pipe", "ignore"] });
    this.#child.stdout!.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code) => this.#fail(new Error(`${program} ended with ${code}`)));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Greets the server; resolves with its first answer. */
  async initialize(): Promise<void> {
    await this.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "bench", version: "1.0.0" },
    });
    this.#write({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  call(message: string): Promise<Buffer> {
    return this.request("tools/call", { name: "echo", arguments: { message } });
  }

  /** The line of the answer, which nobody has parsed. */
  async request(method: string, params: object): Promise<Buffer> {
    const id = this.#next++;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answered = new Promise<Buffer>((resolve, reject) => {
      this.#waiting.set(id, resolve);
      timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), HUNG_MS);
    });
    this.#write({ jsonrpc: "2.0", id, method, params });
    try {
      return await Promise.race([answered, this.#failed]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), GRACE_MS);
    await ended;
    clearTimeout(timer);
  }

  #write(message: object): void {
    this.#child.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  #take(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#rest.push(chunk.subarray(from, end));
      from = end + 1;
      // The id stands first or last: what is in between may be ten megabytes.
      const line = Buffer.concat(this.#rest.splice(0));
      const ends = line.length < 400
        ? line.toString("latin1")
        : line.toString("latin1", 0, 200) + line.toString("latin1", line.length - 200);
      if (ends.includes('"error":{')) this.#fail(new Error(ends));
      const id = Number(/"id":(\d+)/.exec(ends)?.[1]);
      this.#waiting.get(id)?.(line);
      this.#waiting.delete(id);
    }
    if (from < chunk.length) this.#rest.push(chunk.subarray(from));
  }
}
