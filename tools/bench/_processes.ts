// Processes of a benchmark: each is a group of its own, and none outlives the benchmark.
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import process from "node:process";

const groups = new Set<number>();

/** Starts a process as the head of a group, which `endGroup` and the end of this process end. */
export function spawnGroup(command: readonly string[], options: SpawnOptions): ChildProcess {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { ...options, detached: true });
  if (child.pid !== undefined) groups.add(child.pid);
  return child;
}

/** Ends a process and whatever it started in its group. */
export function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  groups.delete(child.pid);
  endById(child.pid);
}

function endById(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

process.on("exit", () => groups.forEach(endById));
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => process.exit(code));
}

/** The text that a process writes; rejects when it fails or takes longer than a limit. */
export async function outputOf(
  command: readonly string[],
  { cwd, limitMs }: { readonly cwd: string; readonly limitMs: number },
): Promise<string> {
  const child = spawnGroup(command, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`took longer than ${limitMs} ms`)), limitMs);
      child.on("error", reject);
      child.on("exit", (ended) => resolve(ended));
    });
    if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${stderr}`);
    return stdout;
  } finally {
    clearTimeout(timer);
    endGroup(child);
  }
}
