// Gateways that others use. They are installed for a benchmark only, outside of the tree.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePort, nodePath } from "../../tests/support/cluster_process.ts";
import { ECHO, serve, type Subject } from "./_subjects.ts";
import { BUN_PEER, NODE_PEERS } from "./_targets.ts";

const [SUPERGATEWAY, PAIR] = NODE_PEERS;

/** The peers, each as a subject, or why it cannot be run. */
export function peers(directory: string): [string, Subject | string][] {
  const names = [SUPERGATEWAY, PAIR, BUN_PEER];
  const folder = join(directory, "peers");
  const why = install(folder);
  if (why !== undefined) return names.map((name) => [name, why]);
  const node = nodePath();
  return [
    [SUPERGATEWAY, supergateway(node, folder)],
    [PAIR, pair(PAIR, node, folder)],
    [BUN_PEER, pair(BUN_PEER, process.execPath, folder)],
  ];
}

/** Says why it failed, if it did. */
function install(folder: string): string | undefined {
  mkdirSync(folder);
  for (const name of ["package.json", "package-lock.json"]) {
    copyFileSync(fileURLToPath(new URL(`./peers/${name}`, import.meta.url)), join(folder, name));
  }
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
  const { status, error } = spawnSync("npm", args, { cwd: folder, timeout: INSTALL_MS });
  if (status === 0) return undefined;
  return `npm cannot install the peers (${error?.message ?? `it ended with ${status}`})`;
}
const INSTALL_MS = 120_000;

function supergateway(runtime: string, folder: string): Subject {
  const script = join(folder, "node_modules/supergateway/dist/index.js");
  return {
    name: SUPERGATEWAY,
    async open() {
      const port = await freePort();
      const there = ["--outputTransport", "streamableHttp", "--stateful", "--port", String(port)];
      const quiet = ["--logLevel", "none"];
      const command = [runtime, script, "--stdio", ECHO.join(" "), ...there, ...quiet];
      const close = await serve(command, port, folder);
      const url = `http://127.0.0.1:${port}/mcp`;
      return { command: [runtime, script, "--streamableHttp", url, ...quiet], close };
    },
  };
}

function pair(name: string, runtime: string, folder: string): Subject {
  const module = (path: string) => join(folder, "node_modules", path);
  return {
    name,
    async open() {
      const port = await freePort();
      const where = ["--host", "127.0.0.1", "--port", String(port), "--server", "stream"];
      const proxy = [runtime, module("mcp-proxy/dist/bin/mcp-proxy.mjs"), ...where];
      // Without its limit of 10 MiB, and with room for the largest message of the benchmark.
      const close = await serve([...proxy, "--maxBodySize", "0", "--", ...ECHO], port, folder);
      const url = `http://127.0.0.1:${port}/mcp`;
      const how = ["--allow-http", "--transport", "http-only"];
      const state = `MCP_REMOTE_CONFIG_DIR=${join(folder, "state")}`;
      const remote = [runtime, module("mcp-remote/dist/proxy.js"), url, ...how];
      return { command: ["env", state, ...remote], close };
    },
  };
}
