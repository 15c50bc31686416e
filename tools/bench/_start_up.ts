import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { program } from "../../tests/support/cluster_process.ts";

export const EMPTY = "empty";

/** Milliseconds that each program takes to start and end, beside one that does nothing. */
export function measureStartUp(directory: string, rounds: number): Record<string, number[]> {
  const empty = join(directory, "empty");
  writeFileSync(`${empty}.ts`, "export {};\n");
  compile(`${empty}.ts`, empty);
  const samples: Record<string, number[]> = {};
  const start = (name: string, command: string, ...args: string[]) => {
    const begin = performance.now();
    const { status } = spawnSync(command, args, { cwd: directory, stdio: "ignore" });
    if (status !== 0) throw new Error(`${command} ended with ${status}`);
    (samples[name] ??= []).push(performance.now() - begin);
  };
  for (let round = 0; round < rounds; round++) {
    start(EMPTY, empty);
    for (const name of ["tbot", "tsh", "tctl", "app-agent"] as const) {
      start(name, program(name), "version");
    }
  }
  return samples;
}

/** Compiles a program as ours are. */
export function compile(entry: string, file: string): void {
  const flags = ["build", "--compile", "--minify", "--bytecode", "--format=esm"];
  const built = spawnSync(process.execPath, [...flags, entry, `--outfile=${file}`]);
  if (built.status !== 0) throw new Error(`${entry} cannot be compiled:\n${built.stderr}`);
}
