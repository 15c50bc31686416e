/** `policy lint|test|explain|diff`: work on roles in files, without a cluster. */
import { Command, Option } from "@commander-js/extra-typings";

export interface PolicyHost {
  readonly args: readonly string[];
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Ends a command that would go on for ever. */
  readonly signal: AbortSignal;
}

/** They throw: one of our errors, or commander's own once it has told the user on stderr. */
export async function policy(host: PolicyHost): Promise<number> {
  let exitCode = 0;
  const root = policyRoot(host);
  root.command("lint").description("Find mistakes in roles, and what is worth knowing")
    .argument("<path...>", "role files, or folders of them")
    .addOption(
      new Option("-f, --format <format>", "format of the findings")
        .choices(["text", "json", "sarif", "github"] as const).default("text" as const),
    )
    .option("--tools <path>", "answer to tools/list in JSON, to check tool names against")
    .option("--fix", "remove rules that add nothing")
    .action(async (paths, options) => {
      const { lint } = await import("./policy_lint.ts");
      exitCode = await lint({ paths, ...options }, host);
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
    .requiredOption("--role <path...>", "role files of the bot, or folders of them")
    .option("--bot <name>", "name of the bot", "anyone")
    .option("--trait <key=value...>", "traits of the bot; a key may be given again")
    .requiredOption("--app <name>", "name of the app")
    .option("--label <key=value...>", "labels of the app")
    .option("--tool <name...>", "tools to call; without one: may the app be reached")
    .option("--arguments <json>", "arguments of the call; without them it is a call without any")
    .addOption(
      new Option("-f, --format <format>", "format of the answer")
        .choices(["text", "json"] as const).default("text" as const),
    )
    .addHelpText(
      "after",
      "\nExit code: 0 answered, allow or deny; 1 the roles cannot be judged for this bot and app;\n2 a role file or an option is wrong",
    )
    .action(async (options) => {
      const { explainPolicy } = await import("./policy_explain.ts");
      exitCode = await explainPolicy(options, host);
    });
  root.command("diff").description("Compare what two sets of roles grant")
    .argument("<before>", "role file, or a folder of them")
    .argument("<after>", "role file, or a folder of them")
    .option("--world <path>", "file of bots (roles, traits) and apps (labels, tools)")
    .addOption(
      new Option("-f, --format <format>", "format of the answer")
        .choices(["text", "json"] as const).default("text" as const),
    )
    .addHelpText(
      "after",
      "\nExit code: 0 nothing new is granted, 1 something is, or may be; 2 a file is wrong",
    )
    .action(async (before, after, options) => {
      const { diffPolicy } = await import("./policy_diff.ts");
      exitCode = await diffPolicy({ before, after, ...options }, host);
    });
  await root.parseAsync(host.args, { from: "user" });
  return exitCode;
}

function policyRoot({ stdout, stderr }: PolicyHost) {
  return new Command("policy")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .description("Checks roles in files: what they say, and what they decide")
    .option("-d, --debug", "explain unexpected failures in detail");
}
