/**
 * The compiled programs of `dist/` as processes: run to their end, or kept running and stopped by
 * their id. Every wait is bounded, and says what it waited for.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ending = process.platform === "win32" ? ".exe" : "";

/** How long anything may take before it counts as hung; never a verdict about speed. */
export const HUNG_MS = 60_000;

export type ProgramName = "tbot" | "tsh-mcp" | "tsh" | "app-agent" | "tctl";

/** The path of a compiled program. */
export function program(name: ProgramName): string {
  const path = join(root, "dist", `${name}${ending}`);
  if (existsSync(path)) return path;
  throw new Error(`there is no dist/${name}${ending}: run \`npm run build\` first`);
}

/** The reference MCP server that the guide's app stands for. */
export const EVERYTHING = join(
  root,
  "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
);

/** The absolute path of Node.js, which agents start the reference server with. */
export function nodePath(): string {
  const fromNpm = process.env["npm_node_execpath"];
  if (fromNpm && existsSync(fromNpm)) return fromNpm;
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, `node${ending}`);
    if (folder !== "" && existsSync(path)) return path;
  }
  throw new Error("there is no Node.js on the PATH");
}

/**
 * Deno itself. By its name one may get npm's wrapper, which does not pass signals on and leaves its
 * child behind.
 */
export function denoPath(): string {
  const platforms = join(root, "node_modules/@deno");
  for (const platform of existsSync(platforms) ? readdirSync(platforms) : []) {
    const path = join(platforms, platform, `deno${ending}`);
    if (existsSync(path)) return path;
  }
  throw new Error(`there is no Deno in ${platforms}: run \`npm ci --ignore-scripts\` first`);
}

export interface Finished {
  /** The exit code, or null when a signal ended the program. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Runs a compiled program to its end. One that hangs is killed, and the promise rejects. */
export function runProgram(
  name: ProgramName,
  args: readonly string[],
  { cwd, stdin = "", env, signal }: RunOptions = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program(name), args, {
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env: { ...env } }),
      ...(signal === undefined ? {} : { signal }),
      killSignal: "SIGKILL",
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`hung: ${name} ${args.join(" ")}\n${text(stderr)}`));
    }, HUNG_MS);
    child.stdout.on("data", (chunk: Uint8Array) => void stdout.push(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => void stderr.push(chunk));
    // A program that refuses its command line does not wait for its input.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: text(stdout), stderr: text(stderr) });
    });
  });
}

function text(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") +
    decoder.decode();
}

export interface RunningOptions {
  readonly cwd: string;
  readonly detached?: boolean;
  /** A command that becomes the program, somewhere else. */
  readonly enter?: readonly string[];
}

/** A program that goes on running; what it writes goes to files, which outlive whoever started it. */
export class RunningProgram {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #out: string;
  readonly #log: string;
  readonly #exit: Promise<number | null>;
  #over = false;

  constructor(
    name: ProgramName,
    args: readonly string[],
    { cwd, detached = false, enter = [] }: RunningOptions,
  ) {
    this.#name = name;
    this.#out = join(cwd, `${name}.out`);
    this.#log = join(cwd, `${name}.log`);
    const files = [openSync(this.#out, "w", 0o600), openSync(this.#log, "w", 0o600)] as const;
    const [command = "", ...rest] = [...enter, program(name), ...args];
    this.#child = spawn(command, rest, { cwd, detached, stdio: ["ignore", ...files] });
    for (const file of files) closeSync(file);
    this.#exit = new Promise((resolve) => {
      this.#child.once("exit", (code) => resolve(code));
      this.#child.once("error", () => resolve(null));
    });
    this.#exit.then(() => void (this.#over = true));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get stdout(): string {
    return readFileSync(this.#out, "utf8");
  }

  get stderr(): string {
    return readFileSync(this.#log, "utf8");
  }

  /** Resolves whenever that is. */
  get ended(): Promise<unknown> {
    return this.#exit;
  }

  /** Resolves with the exit code, or null after a signal. */
  get exit(): Promise<number | null> {
    return within(this.#exit, `${this.#name} to end`);
  }

  /** Waits until `holds`; rejects when the program ends before. */
  async until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
    await eventually(async () => {
      if (await holds()) return true;
      if (this.#over) throw new Error(`${this.#name} ended before ${what}:\n${this.stderr}`);
      return false;
    }, what);
  }

  /** Asks the program to end, and waits for that. */
  async stop(signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    // By its id, since on Deno a child that was killed through its object has no exit code.
    if (!this.#over && this.pid > 0) process.kill(this.pid, signal);
    try {
      return await this.exit;
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw error;
    }
  }

  /** Ends the program as a crash would. */
  kill(): Promise<number | null> {
    return this.stop("SIGKILL");
  }

  /** Lets this process end while the program runs on. */
  release(): void {
    this.#child.unref();
  }
}

/** The guide's cluster, in one directory: a configuration, an agent on a free port, `tctl`. */
export class ClusterProcess {
  readonly directory: string;
  /** `127.0.0.1:<port>`. */
  readonly proxy: string;
  readonly #detached: boolean;
  #agent: RunningProgram | undefined;

  private constructor(directory: string, proxy: string, detached: boolean) {
    this.directory = directory;
    this.proxy = proxy;
    this.#detached = detached;
  }

  /** Writes `teleport.yaml` and starts nothing yet. */
  static async create(
    directory: string,
    options: ClusterFileOptions & { readonly detached?: boolean } = {},
  ): Promise<ClusterProcess> {
    const proxy = `127.0.0.1:${await freePort()}`;
    writeFileSync(join(directory, "teleport.yaml"), clusterFile(directory, proxy, options));
    return new ClusterProcess(directory, proxy, options.detached ?? false);
  }

  get agent(): RunningProgram {
    if (!this.#agent) throw new Error("the cluster has not been started");
    return this.#agent;
  }

  /** Starts `app-agent`, and waits until it says that the cluster is ready. */
  async start(): Promise<RunningProgram> {
    const agent = new RunningProgram("app-agent", ["start", "-c", "teleport.yaml"], {
      cwd: this.directory,
      detached: this.#detached,
    });
    this.#agent = agent;
    await agent.until(() => agent.stdout.includes(" is ready"), "it was ready");
    return agent;
  }

  tctl(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return runProgram("tctl", ["-c", "teleport.yaml", ...args], {
      cwd: this.directory,
      ...options,
    });
  }

  async stop(): Promise<void> {
    await this.#agent?.stop();
  }
}

export interface ClusterFileOptions {
  readonly clusterName?: string;
  /** The app's command line; the reference server without it. */
  readonly command?: readonly [string, ...string[]];
  /** Where the server is, if the agent does not start it. */
  readonly uri?: string;
  /** Lines of the section `teleport`, indented, and sections after all others. */
  readonly teleport?: string;
  readonly sections?: string;
}

/** The guide's `teleport.yaml`. */
function clusterFile(
  directory: string,
  proxy: string,
  options: ClusterFileOptions,
): string {
  const { clusterName = "example.test", teleport = "", sections = "" } = options;
  return `version: v3
teleport:
  data_dir: ${quoted(join(directory, "data"))}
${teleport}auth_service:
  enabled: yes
  cluster_name: ${clusterName}
proxy_service:
  enabled: yes
  web_listen_addr: ${proxy}
  public_addr: ${proxy}
app_service:
  enabled: yes
  apps:
    - name: my-mcp-server
      description: The reference server of the Model Context Protocol
      labels:
        env: dev
      ${server(options)}
${sections}`;
}

/** Where the app's server is, or how the agent starts it. */
function server({ uri, command = [nodePath(), EVERYTHING] }: ClusterFileOptions): string {
  if (uri !== undefined) return `uri: ${quoted(uri)}`;
  const [program, ...args] = command;
  return `mcp:
        command: ${quoted(program)}
        args: [${args.map(quoted).join(", ")}]
        run_as_host_user: ${currentUser()}`;
}

/** Asked of the system: Bun's `userInfo()` believes the environment, which may name nobody. */
export function currentUser(): string {
  if (process.platform === "win32") return userInfo().username;
  return execFileSync("id", ["-un"], { encoding: "utf8" }).trim();
}

/** YAML 1.2 is a superset of JSON. What may be a number is not left bare. */
function quoted(value: string): string {
  return /^[A-Za-z_./][\w./-]*$/.test(value) ? value : JSON.stringify(value);
}

/** A port of loopback that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** The guide's role: every tool of every app that is labelled `env: dev`. */
export const GUIDE_ROLE = `kind: role
version: v6
metadata:
  name: example-role
spec:
  allow:
    app_labels:
      env: dev
    mcp:
      tools: ['*']
`;

/** The guide's role, narrowed: two families of tools, less one of them. */
export const NARROW_ROLE = `kind: role
version: v6
metadata:
  name: example-role
spec:
  allow:
    app_labels:
      env: dev
    mcp:
      tools: ['echo', 'get-*']
  deny:
    mcp:
      tools: ['get-env']
`;

export interface BotFileOptions {
  readonly proxy: string;
  readonly token: string;
  readonly pin: string;
  /** Paths, relative to where tbot is started or absolute. */
  readonly storage?: string;
  readonly destination?: string;
}

/** The guide's `tbot.yaml`. */
export function botFile(options: BotFileOptions): string {
  const { proxy, token, pin, storage = "bot", destination = "machine-id" } = options;
  return `version: v2
proxy_server: ${proxy}
onboarding:
  join_method: token
  token: ${token}
  ca_pins:
    - ${pin}
storage:
  type: directory
  path: ${quoted(storage)}
services:
  - type: identity
    destination:
      type: directory
      path: ${quoted(destination)}
    allow_reissue: true
`;
}

/** The one-time token in what `tctl bots add` and `tctl tokens add` print. */
export function tokenIn(output: string): string {
  const token = /(?<![0-9a-f:])[0-9a-f]{32}(?![0-9a-f])/.exec(output)?.[0];
  if (token === undefined) throw new Error(`there is no token in: ${output}`);
  return token;
}

/** The CA pin in what `tctl status` prints. */
export function pinIn(output: string): string {
  const pin = /sha256:[0-9a-f]{64}/.exec(output)?.[0];
  if (pin === undefined) throw new Error(`there is no CA pin in: ${output}`);
  return pin;
}

/** Resolves once `holds`; looks again every few milliseconds, and gives up when all has hung. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const end = Date.now() + HUNG_MS;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`hung: waiting until ${what}`);
    await sleep(20);
  }
}

/** The promise, or a rejection that names what has hung. */
export async function within<T>(promise: Promise<T>, what: string, ms = HUNG_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hung: waiting for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, hung]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process with this id runs; one that has ended and awaits its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return status[status.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}
