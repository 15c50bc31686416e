/** Completions of the command line for shells, the same way for every program. */
import { Argument } from "@commander-js/extra-typings";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";

const SHELLS = ["bash", "zsh", "fish"] as const;

/**
 * Adds `completion SHELL`, which prints the script that a shell sources, and the hidden `complete`,
 * which that script asks at each key. What answers is loaded only then: no start is slower for it.
 */
export function addCompletions(
  root: CommandUnknownOpts,
  { stdout }: { readonly stdout: { write(text: string): unknown } },
): void {
  root.command("completion").description("Print completions for a shell")
    .addArgument(new Argument("<shell>", "whose completions").choices(SHELLS))
    .action(async (shell: typeof SHELLS[number]) => {
      const { script } = await import("@bomb.sh/tab");
      const text = captured(() => script(shell, root.name(), root.name()));
      // A shell sources the scripts of several programs, which share these names.
      stdout.write(text.replaceAll(/^readonly (?=ShellComp)/gm, ""));
    });
  const complete = root.command("complete", { hidden: true })
    .argument("[words...]", "the words so far, after --")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const { default: tab } = await import("@bomb.sh/tab/commander");
      // The library adds a command of this name itself, and takes no second one.
      const commands = root.commands as CommandUnknownOpts[];
      commands.splice(commands.indexOf(complete), 1);
      const answers = tab(root as Parameters<typeof tab>[0], {
        completionCommandName: "__completion",
      });
      stdout.write(captured(() => answers.parse(words)));
    });
}

/** What the library writes to the console goes where the program writes. */
function captured(work: () => void): string {
  const output = console;
  const { log } = output;
  let text = "";
  output.log = (...values: unknown[]) => void (text += `${values.join(" ")}\n`);
  try {
    work();
  } finally {
    output.log = log;
  }
  return text;
}
