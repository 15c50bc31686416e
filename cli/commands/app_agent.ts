/** The commands of app-agent: the service side of a cluster. */
import { Command, Option } from "@commander-js/extra-typings";
import type { Readable } from "node:stream";
import type { TctlHost } from "./_tctl_host.ts";
import type { PolicyHost } from "./policy.ts";
import type { AgentHost } from "./start_agent.ts";

/** What app-agent's commands need of the world. */
export interface AppAgentHost extends AgentHost, PolicyHost, TctlHost {
  /** The name that the program was called by. */
  readonly programName: string;
  readonly stdin: Readable;
}

/** They throw: one of our errors, or commander's own once it has told the user on stderr. */
export async function appAgent(host: AppAgentHost): Promise<number> {
  const at = verbIndex(host.args);
  const verb = host.args[at];
  const rest = host.args.toSpliced(at, 1);
  if (verb === "policy") {
    const { policy } = await import("./policy.ts");
    const { policyCluster } = await import("./_policy_cluster.ts");
    const { stdout, stderr } = host;
    // Signals are taken over only by a command that goes on until it is told to end.
    return await policy({
      args: rest,
      stdout,
      stderr,
      get signal() {
        return host.signal;
      },
      openCluster: (options) => policyCluster(host, options),
    });
  }
  if (host.programName === "tctl" || verb === "ctl") {
    const { tctl } = await import("./tctl.ts");
    await tctl(host).parseAsync(verb === "ctl" ? rest : host.args, { from: "user" });
    return 0;
  }
  if (verb === "__reaper") {
    const { runReaper } = await import("../../relay/agent/mod.ts");
    await runReaper(host.stdin);
    return 0;
  }
  const root = appAgentRoot(host);
  root.command("start").description("Start a cluster: authority, relay and agent in one process")
    .option("-c, --config <path>", "configuration file, teleport.yaml; complete without one")
    .action(async ({ config: path }) => {
      const { debug, logFormat } = root.opts();
      const { defaultConfig, readClusterConfig } = await import("../config/teleport_yaml.ts");
      const { startAgent } = await import("./start_agent.ts");
      const config = path === undefined ? defaultConfig() : readClusterConfig(path);
      await startAgent(host, config, host.openLog({ debug: debug === true, format: logFormat }));
    });
  for (const verb of ["backup", "restore"] as const) {
    const command = root.command(verb).argument("<file>", "the backup")
      .description(
        verb === "backup"
          ? "Copy the cluster's state to a file, also while app-agent runs"
          : "Go on from a backup; while nothing runs",
      )
      .option("-c, --config <path>", "the configuration file, teleport.yaml")
      .option("--data-dir <path>", "the data directory")
      .option("--force", verb === "backup" ? "replace the file" : "replace the cluster");
    command.action(async (file, options) => {
      const { backupCommand, restoreCommand } = await import("./app_agent_backup.ts");
      await (verb === "backup" ? backupCommand : restoreCommand)(host, file, options);
    });
  }
  root.command("api").description("Print the authority's API as an OpenAPI 3.1 document")
    .action(async () => {
      const { openapi } = await import("../../identity/authority/mod.ts");
      host.stdout.write(`${JSON.stringify(openapi(), undefined, 2)}\n`);
    });
  root.command("policy").description("Check roles in files: lint, test, explain");
  root.command("ctl").description("Administer the cluster; the same as tctl");
  root.command("version").description("Print the version")
    .action(() => void host.stdout.write(`Postern v${host.version}\n`));
  await root.parseAsync(host.args, { from: "user" });
  return 0;
}

/** Options that stand before the verb with a value of their own. */
const VALUED = new Set([
  "-c",
  "--config",
  "--data-dir",
  "--log-format",
  "-i",
  "--identity",
  "--auth-server",
  "--proxy",
]);

/** Where the name of the command stands. */
function verbIndex(args: readonly string[]): number {
  return args.findIndex((argument, index) =>
    !argument.startsWith("-") && !VALUED.has(args[index - 1] ?? "")
  );
}

function appAgentRoot({ stdout, stderr }: AppAgentHost) {
  return new Command("app-agent")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: true })
    .description("Serves MCP servers to machines that hold an identity of the cluster")
    .option("-d, --debug", "log in detail")
    .addOption(
      new Option("--log-format <format>", "format of the log").choices(["text", "json"] as const),
    );
}
