import { resolve } from "node:path";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

/**
 * `tsh mcp config`: the entry for an MCP client's configuration. Paths are absolute, since clients
 * start servers from a folder of their own and often with another PATH.
 */
export function config(command: TshOptions & { readonly app: string }, host: TshHost): void {
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
  const entry = { mcpServers: { [`teleport-mcp-${app}`]: { command: program, args } } };
  host.stdout.write(`${JSON.stringify(entry, undefined, 2)}\n`);
}
