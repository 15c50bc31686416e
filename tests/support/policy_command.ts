import { policy } from "../../cli/commands/policy.ts";

export interface PolicyRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `policy` in this process; `onOutput` sees what it has printed so far. */
export async function runPolicy(
  args: readonly string[],
  { signal = new AbortController().signal, onOutput = () => {} }: {
    readonly signal?: AbortSignal;
    readonly onOutput?: (stdout: string) => void;
  } = {},
): Promise<PolicyRun> {
  let stdout = "";
  let stderr = "";
  const code = await policy({
    args,
    stdout: {
      write(text) {
        stdout += text;
        onOutput(stdout);
      },
    },
    stderr: { write: (text) => stderr += text },
    signal,
  });
  return { code, stdout, stderr };
}
