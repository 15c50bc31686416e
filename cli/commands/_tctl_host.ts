import type { Clock, Log } from "../../identity/mod.ts";
import type { LogFormat } from "../log.ts";

/** What tctl's commands need of the world, so that a test runs them in-process. */
export interface TctlHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<unknown>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly clock: Clock;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
  openLog(options: { readonly debug: boolean; readonly format?: LogFormat | undefined }): Log;
  /** Such as `0.1.0`. */
  readonly version: string;
}
