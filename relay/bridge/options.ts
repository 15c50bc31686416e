import type { Readable, Writable } from "node:stream";
import type {
  AuthorityClient,
  Clock,
  ConnectOptions,
  IdentityFile,
  Log,
} from "../../identity/mod.ts";

export interface BridgeOptions {
  /** Read already; `undefined` to have it read for the first session. */
  readonly identity: IdentityFile | undefined;
  /** Where it is, and is read again for a later session; nowhere in a tunnel, see `readIdentity`. */
  readonly identityPath: string | undefined;
  /** `host:port` of the cluster's public port. */
  readonly proxy: string;
  readonly app: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly log: Log;
  /** Ends the bridge. */
  readonly signal: AbortSignal;
  readonly options?: BridgeSettings;
}

export interface BridgeSettings {
  /** Open a new session when one was lost (default true); otherwise the bridge ends with it. */
  readonly reconnect?: boolean;
  /** Name and version of the program, for the agent's audit log. */
  readonly client?: string;
  readonly connectAuthority?: (options: ConnectOptions) => AuthorityClient;
  readonly clock?: Clock;
  /** Gives the identity for each session; otherwise it is read from its file. */
  readonly readIdentity?: () => Promise<IdentityFile>;
}
