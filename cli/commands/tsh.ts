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
      .addOption(new Option("--no-reconnect", "the same").hideHelp())
      .action(async (app, { autoReconnect = true, reconnect }) => {
        const { connect } = await import("./tsh_connect.ts");
        const keeps = autoReconnect && reconnect;
        exitCode = await connect({ ...root.opts(), app, autoReconnect: keeps }, host);
      });
  }
  mcp.command("ls").description("List the MCP servers that the identity may reach")
    .argument("[labels]", "only those with these labels: key=value,…")
    .option("-v, --verbose", "with the URI of each")
    .option("--search <words>", "only those with these words in name, description or labels")
    .option("--query <predicate>", 'only those for which it holds, such as labels.env == "dev"')
    .addOption(
      new Option("-f, --format <format>", "format of the list")
        .choices(["text", "json", "yaml"] as const).default("text" as const),
    )
    .action(async (labels, { format, verbose, search, query }) => {
      const { list } = await import("./tsh_ls.ts");
      await list({ ...root.opts(), labels, format, verbose, search, query }, host);
    });
  mcp.command("config").description("Print what an MCP client's configuration needs, or write it")
    .addArgument(new Argument("[app]", "name of the app"))
    .option("-R, --all", "all MCP servers that the identity reaches")
    .option("--labels <labels>", "those with these labels: key=value,…")
    .option("--query <predicate>", 'those for which it holds, such as labels.env == "dev"')
    .option("--client-config <client>", "write it: claude, claude-code, cursor, vscode or a path")
    .option("--remove", "take the entry (or with --all every one of ours) out of that file")
    .addOption(
      new Option("-H, --header <header...>", "refused: headers are the agent's").hideHelp(),
    )
    .option("--auto-reconnect", "entries that go on when a session is lost (default)")
    .option("--no-auto-reconnect", "entries that end with their session")
    .addOption(
      new Option("--json-format <format>", "format of the file that is written")
        .choices(JSON_FORMATS)
        .default(jsonFormat(host)),
    )
    .action(async (app, options) => {
      const { config } = await import("./tsh_config.ts");
      const clientConfig = options.clientConfig ?? host.env["TELEPORT_MCP_CLIENT_CONFIG"];
      await config({ ...root.opts(), ...options, app, clientConfig }, host);
    });
  mcp.command("call").description("Call a tool, and print what it answers")
    .argument("<app>", "name of the app")
    .argument("<tool>", "name of the tool")
    .argument("[json]", "its arguments, as a JSON object")
    .addOption(answerFormat())
    .action(async (app, tool, json, { format }) => {
      const { call } = await import("./tsh_call.ts");
      exitCode = await call({ ...root.opts(), app, tool, json, format }, host);
    });
  mcp.command("inspect").description(
    "Show what a server says of itself, and what may be used of it",
  )
    .argument("<app>", "name of the app")
    .addOption(answerFormat())
    .action(async (app, { format }) => {
      const { inspect } = await import("./tsh_inspect.ts");
      await inspect({ ...root.opts(), app, format }, host);
    });
  addCompletions(root, host);
  root.command("version").description("Print the version")
    .action(() => void host.stdout.write(`Postern v${host.version}\n`));
  await root.parseAsync(host.args, { from: "user" });
  return exitCode;
}

function answerFormat() {
  return new Option("-f, --format <format>", "format of what is printed")
    .choices(["text", "json"] as const).default("text" as const);
}

const JSON_FORMATS = ["auto", "pretty", "compact", "none"] as const;

/** The format that the original's variable asks for. */
function jsonFormat({ env }: TshHost): typeof JSON_FORMATS[number] {
  const wanted = env["TELEPORT_MCP_CONFIG_JSON_FORMAT"];
  return JSON_FORMATS.find((format) => format === wanted) ?? "auto";
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
    .addOption(new Option("--insecure", "refused: the cluster is always verified").hideHelp())
    .option("-d, --debug", "log in detail")
    .addOption(
      new Option("--log-format <format>", "format of the log").choices(["text", "json"] as const),
    );
}
