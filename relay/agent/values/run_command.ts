/** Commands of the configuration that print a value: no shell, bounded in time and output. */
import { spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import process from "node:process";
import { RelayError } from "../../error.ts";
import { groupOf, type ProcessGroup, signalGroup } from "../upstream/process_group.ts";

/** What a command may print to stdout. */
export const MAX_VALUE_BYTES = 64 * 1024;

/** How long a command may take, everything that it has started included. */
const COMMAND_MS = 10_000;

export type RunCommand = (argv: readonly string[]) => Promise<string>;

/**
 * Runs a program as the agent's own user and returns what it printed. What went wrong is said
 * without anything that the program has printed, since that may be a secret.
 */
export function runCommand(argv: readonly string[], timeoutMs = COMMAND_MS): Promise<string> {
  const [program = "", ...args] = argv;
  const failed = (found: string, code: "LIMIT_EXCEEDED" | "VALUE_UNAVAILABLE", cause?: unknown) =>
    new RelayError(code, `The command "${program}" ${found}`, { cause });
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      detached: process.platform !== "win32",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const group = child.pid === undefined ? undefined : groupOf(child.pid);
    const chunks: Buffer[] = [];
    let bytes = 0;
    let failure: RelayError | undefined;
    const stop = (error: RelayError) => {
      failure ??= error;
      // Without reading on: whoever holds the pipe may be a child of the child.
      child.stdout.destroy();
      endGroup(group);
    };
    const timer = setTimeout(
      () => stop(failed(`took longer than ${timeoutMs / 1000} s`, "VALUE_UNAVAILABLE")),
      timeoutMs,
    );
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_VALUE_BYTES) return void chunks.push(chunk);
      stop(failed(`has printed more than ${MAX_VALUE_BYTES} bytes`, "LIMIT_EXCEEDED"));
    });
    child.stdout.on("error", () => {});
    child.once("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const found = cause.code === "ENOENT" ? "is not found" : `cannot be started: ${cause.code}`;
      reject(failed(found, "VALUE_UNAVAILABLE", cause));
    });
    child.once("close", (code: number | null, signal: string | null) => {
      clearTimeout(timer);
      // Nothing that it left in the background stays.
      endGroup(group);
      if (failure) return reject(failure);
      if (code === 0) return resolve(Buffer.concat(chunks).toString("utf8"));
      reject(
        failed(signal ? `was ended by ${signal}` : `exited with ${code}`, "VALUE_UNAVAILABLE"),
      );
    });
  });
}

function endGroup(group: ProcessGroup | undefined): void {
  if (group) signalGroup(group, "SIGKILL");
}
