/** The commands of tsh, which `tsh-mcp` answers to by either name. */
import { Argument, Command, Option } from "@commander-js/extra-typings";
import { addCompletions } from "../completions.ts";
import type { TshHost } from "./_tsh_host.ts";

export type { TshHost } from "./_tsh_host.ts";

/** They throw: one of our errors, or commander's own once it has told the user on stderr. */
export async function tsh(host: TshHost): Promise<number> {
  let exitCode = 0;
  const root = tshRoot(host);
  const mcp = root.command("mcp").description("MCP servers of the cluster");
  // `tsh-mcp connect …` is the same as `tsh mcp connect …`.
  for (const parent of [mcp, root] as const) {
    parent.command("connect", { hidden: parent !== mcp })
      .description("Stand in for an MCP server: its messages on stdin and stdout")
      .argument("<app>", "name of the app")
      .option("--auto-reconnect", "open a new session when one is lost (default)")
      .option("--no-auto-reconnect", "end when the session is lost")
      .action(async (app, { autoReconnect = true }) => {
        const { connect } = await import("./tsh_connect.ts");
        exitCode = await connect({ ...root.opts(), app, autoReconnect }, host);
      });
  }
  mcp.command("ls").description("List the MCP servers that the identity may reach")
    .argument("[labels]", "only those with these labels: key=value,…")
    .option("-v, --verbose", "with the URI of each")
    .option("--search <words>", "only those with these words in name, description or labels")
    .addOption(
      new Option("-f, --format <format>", "format of the list")
        .choices(["text", "json", "yaml"] as const).default("text" as const),
    )
    .action(async (labels, { format, verbose, search }) => {
      const { list } = await import("./tsh_ls.ts");
      await list({ ...root.opts(), labels, format, verbose, search }, host);
    });
  mcp.command("config").description("Print what an MCP client's configuration needs, or write it")
    .addArgument(new Argument("<app>", "name of the app"))
    .option("--client-config <client>", "write it: claude, claude-code, cursor, vscode or a path")
    .addOption(
      new Option("--json-format <format>", "format of the file that is written")
        .choices(["auto", "pretty", "compact", "none"] as const).default("auto" as const),
    )
    .action(async (app, options) => {
      const { config } = await import("./tsh_config.ts");
      const clientConfig = options.clientConfig ?? host.env["TELEPORT_MCP_CLIENT_CONFIG"];
      await config({ ...root.opts(), app, clientConfig, jsonFormat: options.jsonFormat }, host);
    });
  addCompletions(root, host);
  root.command("version").description("Print the version")
    .action(() => void host.stdout.write(`Postern v${host.version}\n`));
  await root.parseAsync(host.args, { from: "user" });
  return exitCode;
}

function tshRoot({ stdout, stderr }: TshHost) {
  return new Command("tsh")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: true })
    .description("Reaches the MCP servers of the cluster with an identity that tbot keeps")
    .option("-i, --identity <path>", "identity file that tbot has written")
    .option("--proxy <host:port>", "public address of the cluster")
    .addOption(new Option("--insecure", "accepted, without effect").hideHelp())
    .option("-d, --debug", "log in detail")
    .addOption(
      new Option("--log-format <format>", "format of the log").choices(["text", "json"] as const),
    );
}
