/**
 * The world, as a value: everything that a program takes from the process it runs in. It is the
 * only file that names a runtime; tests pass a host of their own.
 */
import { basename } from "node:path";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { isatty } from "node:tty";
import { connectAuthority, systemClock, VERSION, watchClock } from "../identity/mod.ts";
import type { AuthorityClient, Clock, ConnectOptions, Log } from "../identity/mod.ts";
import { createLog, type LogFormat } from "./log.ts";

export interface Host {
  /** The arguments after the program's name. */
  readonly args: readonly string[];
  /** The name that the program was called by, without folders and `.exe`. */
  readonly programName: string;
  /** The command line that starts this program again. */
  readonly selfCommand: readonly string[];
  /** Such as `0.1.0`. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether a person sits at the other end. */
  readonly isTty: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly clock: Clock;
  /** Aborted by SIGINT and SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Calls `listener` on a signal; returns how to stop that. */
  onSignal(name: "SIGHUP" | "SIGUSR1", listener: () => void): () => void;
  /** Calls `listener` when the machine has slept, or its clock was set; returns how to stop that. */
  onClockJump(listener: (ms: number) => void): () => void;
  /** A log on stderr: for people on a terminal, JSON otherwise, unless a format is given. */
  openLog(options: { readonly debug: boolean; readonly format?: LogFormat | undefined }): Log;
  connect(options: ConnectOptions): AuthorityClient;
  /** Gives the signals back: Deno lives on for as long as somebody listens to one. */
  close(): void;
}

declare const Bun: { readonly isStandaloneExecutable?: boolean } | undefined;

/**
 * Under Deno a variable that may not be read is as good as unset. Otherwise the YAML parser alone,
 * which looks for its own debugging switches, would make every entry ask for a permission.
 */
function readableEnv(): Host["env"] {
  if (typeof Deno === "undefined") return process.env;
  const granted = (variable?: string) =>
    Deno.permissions.querySync({ name: "env", ...(variable && { variable }) }).state === "granted";
  const { env } = process;
  const get = (name: string | symbol) =>
    typeof name === "string" && granted(name) ? env[name] : undefined;
  // An object of its own: a proxy of `process.env` itself is checked against it at each access.
  return process.env = new Proxy<NodeJS.ProcessEnv>({}, {
    get: (_, name) => get(name),
    set: (_, name, value) => Reflect.set(env, name, value),
    has: (_, name) => get(name) !== undefined,
    ownKeys: () => granted() ? Reflect.ownKeys(env) : [],
    getOwnPropertyDescriptor: (_, name) => {
      const value = get(name);
      const descriptor = { value, configurable: true, enumerable: true, writable: true };
      return value === undefined ? undefined : descriptor;
    },
  });
}

/** The process that this is. */
export const host: Host = {
  args: process.argv.slice(2),
  programName: programName(),
  selfCommand: selfCommand(),
  version: VERSION,
  env: readableEnv(),
  get stdin() {
    return process.stdin;
  },
  // Streams are made when they are first used: each costs a start some milliseconds.
  get stdout() {
    return stdout ??= ending(process.stdout);
  },
  get stderr() {
    return stderr ??= ending(process.stderr);
  },
  get isTty() {
    return { stdin: isatty(0), stdout: isatty(1), stderr: isatty(2) };
  },
  clock: systemClock,
  get signal() {
    return signal ??= takeOverSignals();
  },
  onSignal(name, listener) {
    process.on(name, listener);
    return () => void process.off(name, listener);
  },
  onClockJump(listener) {
    const stop = new AbortController();
    void watchClock(systemClock, stop.signal, listener);
    return () => stop.abort();
  },
  openLog: ({ debug, format }) =>
    createLog({
      write: (line) => host.stderr.write(line),
      format: format ?? (isatty(2) ? "text" : "json"),
      debug,
      now: () => new Date(),
    }),
  connect: connectAuthority,
  close: () => {
    for (const [name, listener] of listeners) process.off(name, listener);
    listeners.clear();
  },
};

let stdout: Writable | undefined;
let stderr: Writable | undefined;
let signal: AbortSignal | undefined;
const listeners = new Map<"SIGINT" | "SIGTERM", () => void>();

/** Whoever reads our output may stop at any time; there is nobody left to tell. */
function ending(output: Writable): Writable {
  return output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
}

/** Signals are taken over when somebody can act on them, and not before. */
function takeOverSignals(): AbortSignal {
  const controller = new AbortController();
  for (const [name, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    const listener = () => {
      if (controller.signal.aborted) process.exit(128 + number);
      controller.abort(new Error(`stopped by ${name}`));
    };
    listeners.set(name, listener);
    process.on(name, listener);
  }
  return controller.signal;
}

function isCompiled(): boolean {
  return typeof Bun !== "undefined" && Bun.isStandaloneExecutable === true;
}

/** A compiled program is called by its own name or by a link; otherwise a runtime is called. */
function programName(): string {
  const called = isCompiled() ? process.argv0 : process.argv[1] ?? "";
  return basename(called).replace(/\.(exe|ts)$/i, "");
}

function selfCommand(): readonly string[] {
  return isCompiled()
    ? [process.execPath]
    : [process.execPath, ...process.execArgv, process.argv[1] ?? ""];
}
