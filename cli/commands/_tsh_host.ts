import type { Readable, Writable } from "node:stream";
import type { AuthorityClient, Clock, ConnectOptions, Log } from "../../identity/mod.ts";
import type { LogFormat } from "../log.ts";

/** What tsh's commands need of the world, so that a test runs them in-process. */
export interface TshHost {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: { write(text: string): unknown };
  readonly isTty: { readonly stdin: boolean };
  readonly clock: Clock;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
  openLog(options: { readonly debug: boolean; readonly format?: LogFormat | undefined }): Log;
  connect(options: ConnectOptions): AuthorityClient;
  readonly selfCommand: readonly string[];
  /** Such as `0.1.0`. */
  readonly version: string;
}
