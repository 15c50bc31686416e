/**
 * `tsh mcp connect`: what an MCP client starts instead of the server. It must be quick to start, so
 * the common line is read without the command library, which nothing else here needs.
 */
import { parseArgs } from "node:util";
import { type IdentityFile, parseProxy, readIdentityFile, silentLog } from "../../identity/mod.ts";
import { runBridge } from "../../relay/bridge/mod.ts";
import type { LogFormat } from "../log.ts";
import type { TshHost } from "./_tsh_host.ts";
import { openLog, surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ConnectCommand extends TshOptions {
  readonly app: string;
  /** Whether a lost session is replaced by a new one. */
  readonly autoReconnect: boolean;
}

/** Carries messages between stdin, stdout and the app until stdin ends; resolves with the exit code. */
export async function connect(command: ConnectCommand, host: TshHost): Promise<number> {
  const { app, autoReconnect } = command;
  let where: ReturnType<typeof surroundings>;
  try {
    where = surroundings(command, host, `connect to app "${app}"`);
    // Said at once: later it would look like a failure of the network.
    parseProxy(where.proxy);
  } catch (failure) {
    return await refuse(command, failure, host);
  }
  const { identityPath, proxy } = where;
  const read = await readOrFail(identityPath);
  const code = await runBridge({
    // An unreadable one is no reason to end: the client would never hear why. The bridge tries
    // again at each request, and answers it with the reason.
    identity: read.identity,
    identityPath,
    proxy,
    app,
    stdin: host.stdin,
    stdout: host.stdout,
    log: openLog(command, host),
    signal: host.signal,
    options: {
      reconnect: autoReconnect,
      client: `tsh-mcp/${host.version}`,
      connectAuthority: (options) => host.connect(options),
    },
  });
  if (read.identity === undefined && (await readOrFail(identityPath)).identity === undefined) {
    throw read.failure;
  }
  return code;
}

/**
 * A command line that leads nowhere: an MCP client shows its user what a server answers, and seldom
 * what it prints, so each request is answered with what is wrong. A person reads it at once.
 */
async function refuse(command: ConnectCommand, failure: unknown, host: TshHost): Promise<never> {
  if (!host.isTty.stdin) {
    await runBridge({
      identity: undefined,
      identityPath: command.identity ?? "",
      proxy: command.proxy ?? "",
      app: command.app,
      stdin: host.stdin,
      stdout: host.stdout,
      // What is thrown in the end is said on stderr.
      log: silentLog,
      signal: host.signal,
      options: { readIdentity: () => Promise.reject(failure) },
    });
  }
  throw failure;
}

async function readOrFail(
  path: string,
): Promise<{ readonly identity?: IdentityFile; readonly failure?: unknown }> {
  try {
    return { identity: await readIdentityFile(path) };
  } catch (failure) {
    return { failure };
  }
}

const OPTIONS = {
  identity: { type: "string", short: "i" },
  proxy: { type: "string" },
  insecure: { type: "boolean" },
  debug: { type: "boolean", short: "d" },
  "auto-reconnect": { type: "boolean", default: true },
  reconnect: { type: "boolean", default: true },
  "log-format": { type: "string" },
} as const;

/**
 * The command behind `[mcp] connect …`, or nothing: for every other command, and for a line that is
 * not as it should be. Those are read again by the command library, which explains them.
 */
export function readConnectLine(args: readonly string[]): ConnectCommand | undefined {
  if (!args.includes("connect")) return undefined;
  const line = parse(args);
  if (!line) return undefined;
  const { positionals, values } = line;
  const [verb, app, ...more] = positionals[0] === "mcp" ? positionals.slice(1) : positionals;
  const logFormat = values["log-format"];
  if (verb !== "connect" || !app || more.length > 0 || !isLogFormat(logFormat)) return undefined;
  const { identity, proxy, insecure, debug } = values;
  const autoReconnect = values["auto-reconnect"] && values.reconnect;
  return { app, identity, proxy, insecure, debug, logFormat, autoReconnect };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: OPTIONS,
      allowNegative: true,
      allowPositionals: true,
    });
  } catch {
    return undefined;
  }
}

function isLogFormat(text: string | undefined): text is LogFormat | undefined {
  return text === undefined || text === "text" || text === "json";
}
