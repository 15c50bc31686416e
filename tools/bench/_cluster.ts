import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  botFile,
  type ClusterFileOptions,
  ClusterProcess,
  GUIDE_ROLE,
  pinIn,
  program,
  type ProgramName,
  runProgram,
  tokenIn,
} from "../../tests/support/cluster_process.ts";

/** A running cluster of compiled programs with one bot. */
export interface BenchCluster {
  readonly cluster: ClusterProcess;
  /** The command that an MCP client starts. */
  readonly bridge: readonly string[];
  readonly identity: string;
}

/** Starts a cluster in `directory`, and joins a bot whose role allows every tool. */
export async function startCluster(
  directory: string,
  options: ClusterFileOptions,
): Promise<BenchCluster> {
  const cluster = await ClusterProcess.create(directory, options);
  try {
    await cluster.start();
    const run = async (name: ProgramName, ...args: string[]) => {
      const { code, stdout, stderr } = await runProgram(name, args, { cwd: directory });
      if (code !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${code}:\n${stderr}`);
      return stdout;
    };
    const tctl = (...args: string[]) => run("tctl", "-c", "teleport.yaml", ...args);
    writeFileSync(join(directory, "role.yaml"), GUIDE_ROLE);
    await tctl("create", "-f", "role.yaml");
    const pin = pinIn(await tctl("status"));
    const token = tokenIn(await tctl("bots", "add", "bench", "--roles", "example-role"));
    const files = { storage: join(directory, "bot"), destination: join(directory, "machine-id") };
    const { proxy } = cluster;
    writeFileSync(join(directory, "tbot.yaml"), botFile({ proxy, token, pin, ...files }));
    await run("tbot", "start", "-c", "tbot.yaml", "--oneshot");
    const identity = join(files.destination, "identity");
    const line = ["mcp", "connect", "-i", identity, "--proxy", proxy, "my-mcp-server"];
    return { cluster, identity, bridge: [program("tsh"), ...line] };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
