/** tsh-mcp, the bridge that an MCP client starts; called as `tsh` it is the same. */
import process from "node:process";
import { connect, readConnectLine } from "./commands/tsh_connect.ts";
import { host } from "./host.ts";
import { run } from "./run.ts";

process.exitCode = await run(async () => {
  const line = readConnectLine(host.args);
  if (line) return await connect(line, host);
  const { tsh } = await import("./commands/tsh.ts");
  return await tsh(host);
}, host);
