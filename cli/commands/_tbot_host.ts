import type { Clock, Log } from "../../identity/mod.ts";
import type { LogFormat } from "../log.ts";
import type { Connect } from "../../identity/bot/mod.ts";

/** What tbot's commands need of the world, so that a test runs them in-process. */
export interface TbotHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly clock: Clock;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
  /** Calls `listener` on a signal; returns how to stop that. */
  onSignal(name: "SIGHUP" | "SIGUSR1", listener: () => void): () => void;
  /** Calls `listener` when the machine has slept, or its clock was set; returns how to stop that. */
  onClockJump(listener: (ms: number) => void): () => void;
  openLog(options: { readonly debug: boolean; readonly format?: LogFormat | undefined }): Log;
  readonly connect: Connect;
  /** The command line that starts this program again. */
  readonly selfCommand: readonly string[];
  /** Such as `0.1.0`. */
  readonly version: string;
}
