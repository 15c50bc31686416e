import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { IdentityError } from "../../identity/mod.ts";
import { lineDiff } from "../line_diff.ts";
import { visible } from "../visible.ts";
import {
  type ChangeServers,
  clientFile,
  type JsonFormat,
  updateClientFile,
} from "./_client_config.ts";
import { type AppSelection, selectApps } from "./_select_apps.ts";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ConfigCommand extends TshOptions, Pick<AppSelection, "labels" | "query"> {
  /** One app by its name; it need not be reachable now. */
  readonly app?: string | undefined;
  /** All apps that the identity reaches. */
  readonly all?: boolean | undefined;
  /** Takes entries out instead of writing them. */
  readonly remove?: boolean | undefined;
  /** Refused: headers are the agent's. */
  readonly header?: readonly string[] | undefined;
  /** `false` writes entries that end with their session. */
  readonly autoReconnect?: boolean | undefined;
  /** A client's name, or the path of its file; without it the entries are printed. */
  readonly clientConfig?: string | undefined;
  readonly jsonFormat: JsonFormat;
}

/** What the original calls the entries of its own. */
const PREFIX = "teleport-mcp-";

/** `tsh mcp config`: entries for an MCP client's configuration, printed, written or removed. */
export async function config(command: ConfigCommand, host: TshHost): Promise<void> {
  if (command.header !== undefined) {
    throw new IdentityError("BAD_REQUEST", "Cannot write entries with headers of the client's", {
      hint: "What a server is sent stands in the app's rewrite.headers, at its agent",
    });
  }
  checkSelectors(command);
  if (command.remove) return await remove(command, host);
  const where = surroundings(command, host, "write the configuration");
  const apps = command.app === undefined
    ? (await selectApps(command, where, host)).map(({ name }) => name)
    : [command.app];
  if (apps.length === 0) {
    throw new IdentityError("NOT_FOUND", "Cannot write the configuration: no MCP server is meant", {
      hint: "See what there is with `tsh mcp ls`",
    });
  }
  const entries = apps.map((app) => [`${PREFIX}${app}`, entry(app, command, where, host)] as const);
  if (command.clientConfig) {
    return await update(command, host, (servers) => {
      for (const [name, server] of entries) servers[name] = server;
    });
  }
  host.stderr.write(`Found MCP servers:\n${apps.map((app) => `${visible(app)}\n`).join("")}\n`);
  host.stdout.write(
    `${JSON.stringify({ mcpServers: Object.fromEntries(entries) }, undefined, 2)}\n`,
  );
  host.stderr.write("\nTip: --client-config=claude|claude-code|cursor|vscode|PATH writes it\n");
}

function checkSelectors({ all, app, labels, query }: ConfigCommand): void {
  const given = [app !== undefined, all === true, labels !== undefined, query !== undefined];
  if (given.filter(Boolean).length === 1) return;
  throw new IdentityError(
    "BAD_REQUEST",
    "Cannot tell which MCP servers are meant: give one of a name, --all, --labels and --query",
    { hint: "See what there is with `tsh mcp ls`" },
  );
}

/**
 * Paths are absolute, since clients start servers from a folder of their own and often with another
 * PATH.
 */
function entry(
  app: string,
  { autoReconnect, debug }: ConfigCommand,
  { identityPath, proxy }: { readonly identityPath: string; readonly proxy: string },
  host: TshHost,
) {
  const [command = "", ...own] = host.selfCommand;
  const args = [
    ...own,
    "mcp",
    "connect",
    "-i",
    resolve(identityPath),
    "--proxy",
    proxy,
    ...(debug ? ["--debug"] : []),
    ...(autoReconnect === false ? ["--no-auto-reconnect"] : []),
    app,
  ];
  return { command, args };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Needs no cluster, so that what is left of one can be taken away; by name, or all of them. */
async function remove(command: ConfigCommand, host: TshHost): Promise<void> {
  const { all, app } = command;
  if (!command.clientConfig || all !== true && app === undefined) {
    throw new IdentityError(
      "BAD_REQUEST",
      "Cannot remove entries: it is not said which, or where",
      {
        hint: "Give a name or --all, and --client-config",
      },
    );
  }
  await update(command, host, (servers) => {
    for (const name of Object.keys(servers)) {
      if (all ? name.startsWith(PREFIX) : name === `${PREFIX}${app}`) delete servers[name];
    }
  });
}

async function update(
  { clientConfig = "", jsonFormat }: ConfigCommand,
  host: TshHost,
  change: ChangeServers,
): Promise<void> {
  const file = clientFile(clientConfig, { env: host.env, platform: process.platform, list });
  const { after, backup, before, path } = await updateClientFile(file, change, jsonFormat);
  for (const line of lineDiff(before, after)) host.stdout.write(`${visible(line)}\n`);
  host.stdout.write(
    before === after
      ? `Nothing to change in client configuration at:\n${visible(path)}\n`
      : `Updated client configuration at:\n${visible(path)}\n`,
  );
  if (backup !== undefined) host.stdout.write(`The one before is at:\n${visible(backup)}\n`);
}
