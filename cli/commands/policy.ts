/** `policy lint|test|explain|diff`: work on roles in files, without a cluster. */
import { Command, Option } from "@commander-js/extra-typings";

import { IdentityError } from "../../identity/mod.ts";
import type { PolicyCluster } from "./_policy_world.ts";

export interface PolicyHost {
  readonly args: readonly string[];
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Ends a command that would go on for ever. */
  readonly signal: AbortSignal;
  /** Opens the cluster of this host; not every program has one. */
  readonly openCluster?: (options: ClusterOptions) => PolicyCluster;
}

// A type alias, since the library asks for a type that an index signature fits.
export type ClusterOptions = { config?: string; dataDir?: string; debug?: true };

const TOOLS = "answer to tools/list in JSON, to check names and arguments against";
const WORLD = "file of bots (roles, traits) and apps (labels, tools)";
const LIVE = "ask the servers of the cluster's apps for their tools, now";
const CLUSTER = "take bots and apps from the cluster of this host";

/** They throw: one of our errors, or commander's own once it has told the user on stderr. */
export async function policy(host: PolicyHost): Promise<number> {
  let exitCode = 0;
  const root = policyRoot(host);
  const cluster = () => clusterOf(host, root.opts());
  root.command("lint").description("Find mistakes in roles, and what is worth knowing")
    .argument("[path...]", "role files, or folders of them; with --cluster its roles")
    .addOption(
      new Option("-f, --format <format>", "format of the findings")
        .choices(["text", "json", "sarif", "github"] as const).default("text" as const),
    )
    .option("--tools <path>", TOOLS)
    .option("--world <path>", WORLD)
    .option("--cluster", CLUSTER)
    .addOption(new Option("--live-tools", LIVE).implies({ cluster: true }))
    .option("--fix", "remove rules that add nothing")
    .action(async (paths, { cluster: wanted, ...options }) => {
      const { lint } = await import("./policy_lint.ts");
      exitCode = await lint({ ...options, paths, cluster: wanted && cluster() }, host);
    });
  root.command("test").description("Put cases to roles, and compare the answers")
    .argument("<path...>", "test files, or folders with files named *_test.yaml")
    .addOption(
      new Option("-f, --format <format>", "format of the report")
        .choices(["text", "json", "junit"] as const).default("text" as const),
    )
    .option("-w, --watch", "run again whenever a file changes, until interrupted")
    .addHelpText("after", "\nExit code: 0 all passed, 1 a case failed, 2 a test file is wrong")
    .action(async (paths, options) => {
      const { testPolicy } = await import("./policy_test_command.ts");
      exitCode = await testPolicy({ paths, ...options }, host);
    });
  root.command("explain").description("Say what a bot may do with an app, and which rule says so")
    .argument(
      "[id]",
      "of a recorded decision, as the refused client was told; in place of a question",
    )
    .option("--audit <path>", "events to find the id in; without it, those of this host's cluster")
    .option("--role <path...>", "role files of the bot, or folders of them")
    .option("--world <path>", WORLD)
    .option("--cluster", CLUSTER)
    .addOption(new Option("--live-tools", LIVE).implies({ cluster: true }))
    .option("--bot <name>", "name of the bot", "anyone")
    .option("--trait <key=value...>", "traits of the bot; a key may be given again")
    .option("--app <name>", "name of the app")
    .option("--label <key=value...>", "labels of the app")
    .option("--tool <name...>", "tools to call; without one: may the app be reached")
    .option("--tools <path>", "answer to tools/list in JSON: every tool of it is asked for")
    .option("--arguments <json>", "arguments of the call; without them it is a call without any")
    .addOption(
      new Option("-f, --format <format>", "format of the answer")
        .choices(["text", "json"] as const).default("text" as const),
    )
    .addHelpText(
      "after",
      "\nExit code: 0 answered, allow or deny; 1 the roles cannot be judged for this bot and app;\n2 a role file or an option is wrong",
    )
    .action(async (id, { cluster: wanted, ...options }) => {
      const { explainPolicy } = await import("./policy_explain.ts");
      const asked = wanted || (id !== undefined && options.audit === undefined);
      exitCode = await explainPolicy(
        { ...options, id, cluster: asked ? cluster() : undefined },
        host,
      );
    });
  root.command("diff").description("Compare what two sets of roles grant")
    .argument("<path...>", "the old roles and the new: files, or folders of them")
    .option("--world <path>", WORLD)
    .option("--cluster", "compare with this cluster: what would its roles and the given ones grant")
    .option("--replay <path>", "recorded events: which calls would be decided differently")
    .addOption(
      new Option("-f, --format <format>", "format of the answer")
        .choices(["text", "json"] as const).default("text" as const),
    )
    .addHelpText(
      "after",
      "\nExit code: 0 nothing new is granted, 1 something is, or may be; 2 a file is wrong",
    )
    .action(async (paths, { cluster: wanted, ...options }) => {
      const { diffPolicy } = await import("./policy_diff.ts");
      exitCode = await diffPolicy({ ...options, paths, cluster: wanted && cluster() }, host);
    });
  root.command("schema").description("Print the JSON Schema of a role, for editors")
    .action(async () => {
      const { roleSchema } = await import("../../policy/mod.ts");
      host.stdout.write(`${JSON.stringify(roleSchema(), undefined, 2)}\n`);
    });
  await root.parseAsync(host.args, { from: "user" });
  return exitCode;
}

function clusterOf({ openCluster }: PolicyHost, options: ClusterOptions): PolicyCluster {
  if (openCluster) return openCluster(options);
  throw new IdentityError("BAD_REQUEST", "Cannot look at a cluster from here", {
    hint: "Use `tctl policy …` on the authority's host, or give the files",
  });
}

function policyRoot({ stdout, stderr }: PolicyHost) {
  return new Command("policy")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .description("Checks roles in files: what they say, and what they decide")
    .option("-c, --config <path>", "this host's configuration, teleport.yaml, for --cluster")
    .option("--data-dir <path>", "this host's data directory, for --cluster")
    .option("-d, --debug", "explain unexpected failures in detail");
}
