/**
 * An MCP server that the agent spawns and speaks to over stdin and stdout. One process for one
 * session, in a process group of its own; nothing of it outlives the session.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import process from "node:process";
import type { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import type { App, AppLimits, Log, McpServer } from "../../../identity/mod.ts";
import { RelayError } from "../../error.ts";
import { LineSplitter } from "../../wire/line_splitter.ts";
import { LineWriter } from "../../wire/line_writer.ts";
import type { Reaper } from "../reaper.ts";
import { settingsEnvironment } from "../values/settings_environment.ts";
import type { Values } from "../values/values.ts";
import { serverEnvironment } from "./environment.ts";
import { findHostUser, type HostUser, type HostUsers } from "./host_user.ts";
import { groupOf, type ProcessGroup, signalGroup } from "./process_group.ts";
import type { ServerWatch } from "./server_watch.ts";
import { endMarked, MARK_VARIABLE } from "./strays.ts";
import type { Upstream, UpstreamHandlers } from "./upstream.ts";

/** One line of a server's stderr; what is longer is cut. */
const MAX_LOG_LINE = 4096;

export interface StdioOptions {
  readonly app: App;
  readonly log: Log;
  readonly reaper?: Reaper | undefined;
  /** Watches over what the server uses. */
  readonly watch?: ServerWatch | undefined;
  readonly appLimits?: AppLimits | undefined;
  /** Milliseconds until SIGTERM after stdin was closed, and from there until SIGKILL. */
  readonly grace?: { readonly term: number; readonly kill: number };
  /** Who may be run as; the machine's own users unless given. */
  readonly users?: HostUsers;
  /** Where the values of `mcp.env` come from. */
  readonly values?: Values;
}

const DEFAULT_GRACE = { term: 2_000, kill: 3_000 };

/** Starts the server; rejects with `SERVER_START_FAILED` or `CONFIG_INVALID` if that fails. */
export async function startStdioServer(
  options: StdioOptions,
  handlers: UpstreamHandlers,
): Promise<Upstream> {
  const { app } = options;
  if (!app.mcp) {
    throw new RelayError("CONFIG_INVALID", `Cannot start app "${app.name}": it has no command`);
  }
  const user = findHostUser(app.mcp.runAsHostUser, options.users);
  const mark = randomUUID();
  const settings = await settingsEnvironment(options);
  const env = { ...serverEnvironment(user), ...settings, [MARK_VARIABLE]: mark };
  const child = spawnServer(app.mcp, user, env, options.appLimits?.serverOpenFiles);
  try {
    await started(child);
  } catch (cause) {
    throw startError(app, cause as NodeJS.ErrnoException);
  }
  return new StdioServer(child as PipedChild, mark, options, handlers);
}

interface PipedChild extends ChildProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

function spawnServer(
  server: McpServer,
  user: HostUser | undefined,
  env: Record<string, string>,
  openFiles: number | undefined,
): ChildProcess {
  const { cwd } = server;
  const options = { detached: true, stdio: "pipe", env, ...(cwd && { cwd }) } as const;
  const [command = "", ...args] = openFiles === undefined
    ? [server.command, ...server.args]
    : withOpenFiles(openFiles, [findCommand(server.command, env["PATH"], cwd), ...server.args]);
  if (user === undefined) return spawn(command, args, options);
  const { uid, gid } = user;
  if (!user.hasMoreGroups) return spawn(command, args, { ...options, uid, gid });
  // Neither runtime can set supplementary groups, which users of e.g. a docker socket live by.
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, "--init-groups", "--"];
  // By the agent's own path: it runs as the agent, not as the user whose path this may be.
  const setpriv = findCommand("setpriv", process.env["PATH"]);
  const found = findCommand(command, env["PATH"], cwd);
  return spawn(setpriv, [...identity, found, ...args], options);
}

/** The command with a limit of its own; the shell sees it as arguments and goes away (ulimit, POSIX). */
function withOpenFiles(most: number, command: readonly string[]): string[] {
  return ["/bin/sh", "-c", 'ulimit -n "$1" && shift && exec "$@"', "sh", String(most), ...command];
}

/**
 * Finds a command as a shell in that directory would, since `setpriv` and `sh` would report a
 * missing one too late.
 */
function findCommand(command: string, path = "", cwd?: string): string {
  const candidates = command.includes("/")
    ? [command]
    : path.split(delimiter).map((directory) => join(directory, command));
  for (const candidate of candidates) {
    try {
      accessSync(cwd === undefined ? candidate : resolve(cwd, candidate), constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next directory may have it.
    }
  }
  throw new RelayError("SERVER_START_FAILED", `Cannot start "${command}": command not found`, {
    hint: "Install the command on the agent's machine, or give its full path",
  });
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

function startError(app: App, cause: NodeJS.ErrnoException): RelayError {
  const cwd = app.mcp?.cwd;
  if (cwd !== undefined && !statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) {
    return new RelayError(
      "SERVER_START_FAILED",
      `Cannot start MCP server "${app.name}": its directory does not exist`,
      { hint: "Correct the app's mcp.cwd", cause },
    );
  }
  const found = cause.code === "ENOENT" ? "command not found" : cause.code ?? cause.message;
  // Under Deno, which refuses what was not allowed on its command line.
  const hint = cause.name === "NotCapable"
    ? `Run the agent with --allow-run=${app.mcp?.command}`
    : "Install the command on the agent's machine, or correct the app's mcp.command";
  return new RelayError(
    "SERVER_START_FAILED",
    `Cannot start MCP server "${app.name}": "${app.mcp?.command}": ${found}`,
    { hint, cause },
  );
}

class StdioServer implements Upstream {
  readonly #child: PipedChild;
  readonly #options: StdioOptions;
  readonly #handlers: UpstreamHandlers;
  readonly #group: ProcessGroup;
  readonly #writer: LineWriter;
  readonly #lines: LineSplitter;
  /** Everything that it has written has been read. */
  readonly #read = Promise.withResolvers<void>();
  /** Nothing of it is left. */
  readonly #gone = Promise.withResolvers<void>();
  /** Why it was ended from here, if it was. */
  #exceeded: RelayError | undefined;
  #closing = false;

  constructor(
    child: PipedChild,
    mark: string,
    options: StdioOptions,
    handlers: UpstreamHandlers,
  ) {
    this.#child = child;
    this.#options = options;
    this.#handlers = handlers;
    this.#group = groupOf(child.pid);
    options.reaper?.guard(this.#group, mark);
    const release = this.#watchUse();
    this.#writer = new LineWriter(child.stdin);
    // A server that has gone is noticed by its exit; the failed write says nothing more.
    child.stdin.on("error", () => {});
    this.#lines = this.#readMessages(child.stdout);
    this.#readLog(child.stderr);
    child.once(
      "exit",
      (code: number | null, signal: string | null) =>
        void this.#endRest(mark).then(() => {
          release();
          this.#gone.resolve();
          if (!this.#closing) {
            handlers.onExit(this.#exceeded ?? exitError(options.app, code, signal));
          }
        }),
    );
    child.once("close", () => this.#read.resolve());
    // A server that has closed its stdout can answer nobody any more.
    child.stdout.once("end", () => void this.#endGently());
  }

  send(message: Uint8Array): void {
    this.#writer.write(message);
  }

  get congested(): boolean {
    return this.#writer.congested;
  }

  room(): Promise<void> {
    return this.#writer.room();
  }

  /** What waits to be written is the client's until there is room for it, and counted there. */
  get held(): number {
    return this.#lines.held;
  }

  pause(): void {
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#child.stdout.resume();
  }

  close(): Promise<void> {
    this.#closing = true;
    // Nobody listens any more, but a server that cannot write cannot exit either.
    this.#child.stdout.resume();
    return this.#endGently();
  }

  #watchUse(): () => void {
    const { app, appLimits, watch } = this.#options;
    return watch?.watch(this.#group, {
      app: app.name,
      limits: appLimits ?? {},
      onExceeded: (error) => {
        this.#exceeded = error;
        // It had its chance to use less; until it has gone it may take all that others need.
        signalGroup(this.#group, "SIGKILL");
      },
    }) ?? (() => {});
  }

  /**
   * Whatever the server had started and left behind goes with it. Its last lines are in the pipe
   * and are still read.
   */
  async #endRest(mark: string): Promise<void> {
    const { reaper, log, grace = DEFAULT_GRACE } = this.#options;
    signalGroup(this.#group, "SIGKILL");
    await endMarked(mark).catch((error: unknown) =>
      log.warn("Cannot look for processes that a server left", { error: String(error) })
    );
    reaper?.release(this.#group);
    if (await within(this.#read.promise, grace.kill)) return;
    // Somebody whom nobody can find holds the pipes; the session does not wait for them.
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  #ending: Promise<void> | undefined;

  #endGently(): Promise<void> {
    return this.#ending ??= (async () => {
      const grace = this.#options.grace ?? DEFAULT_GRACE;
      this.#writer.flush();
      this.#child.stdin.end();
      if (await within(this.#gone.promise, grace.term)) return;
      signalGroup(this.#group, "SIGTERM");
      if (await within(this.#gone.promise, grace.kill)) return;
      signalGroup(this.#group, "SIGKILL");
      await this.#gone.promise;
    })();
  }

  #readMessages(stdout: Readable): LineSplitter {
    const messageBytes = this.#options.appLimits?.messageBytes;
    const lines = new LineSplitter({
      onLine: (line) => {
        if (line.length > 0 && !this.#closing) this.#handlers.onMessage(line);
      },
      onOversized: (excerpt) => {
        if (!this.#closing) this.#handlers.onOversized(excerpt);
      },
    }, messageBytes === undefined ? {} : { limit: messageBytes });
    stdout.on("data", (chunk: Buffer) => lines.push(chunk));
    stdout.on("end", () => lines.end());
    stdout.on("error", () => {});
    return lines;
  }

  #readLog(stderr: Readable): void {
    const { app, log } = this.#options;
    const write = (line: Buffer, cut: boolean) =>
      log.debug(printable(line.toString("utf8")) + (cut ? "…" : ""), { app: app.name });
    const lines = new LineSplitter({
      onLine: (line) => write(line, false),
      onOversized: ({ head }) => write(head, true),
    }, { limit: MAX_LOG_LINE });
    stderr.on("data", (chunk: Buffer) => lines.push(chunk));
    stderr.on("end", () => lines.end());
    stderr.on("error", () => {});
  }
}

/** Whether it comes to pass in that many milliseconds. */
async function within(promise: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const inTime = await Promise.race([promise.then(() => true), timeout]);
  clearTimeout(timer);
  return inTime;
}

/** Control characters could rewrite the terminal of whoever reads the log. */
function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function exitError(app: App, code: number | null, signal: string | null): RelayError {
  const how = signal ? `was ended by ${signal}` : `exited with code ${code ?? "unknown"}`;
  return new RelayError(
    "SERVER_EXITED",
    `MCP server "${app.name}" ("${app.mcp?.command}") ${how}`,
    { hint: "Look into the agent's log for what the server wrote to stderr" },
  );
}
