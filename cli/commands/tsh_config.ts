import { resolve } from "node:path";
import process from "node:process";
import { clientFile, type JsonFormat, updateClientFile } from "./_client_config.ts";
import { visible } from "../visible.ts";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ConfigCommand extends TshOptions {
  readonly app: string;
  /** A client's name, or the path of its file; without it the entry is printed. */
  readonly clientConfig?: string | undefined;
  readonly jsonFormat: JsonFormat;
}

/**
 * `tsh mcp config`: the entry for an MCP client's configuration. Paths are absolute, since clients
 * start servers from a folder of their own and often with another PATH.
 */
export async function config(command: ConfigCommand, host: TshHost): Promise<void> {
  const { app } = command;
  const { identityPath, proxy } = surroundings(command, host, "write the configuration");
  const [program = "", ...own] = host.selfCommand;
  const args = [
    ...own,
    "mcp",
    "connect",
    "-i",
    resolve(identityPath),
    "--proxy",
    proxy,
    ...(command.debug ? ["--debug"] : []),
    app,
  ];
  const name = `teleport-mcp-${app}`;
  const server = { command: program, args };
  if (command.clientConfig) {
    const places = { env: host.env, platform: process.platform };
    const file = clientFile(command.clientConfig, places);
    const path = await updateClientFile(file, name, server, command.jsonFormat);
    host.stdout.write(`Updated client configuration at:\n${visible(path)}\n`);
    return;
  }
  const entry = { mcpServers: { [name]: server } };
  host.stdout.write(`${JSON.stringify(entry, undefined, 2)}\n`);
}
