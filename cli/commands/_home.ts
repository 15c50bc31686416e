/**
 * The cluster as relay and agent of a process see it, whether its authority is in this process
 * (`_local_home.ts`) or elsewhere (`_remote_home.ts`).
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { AuditFigures } from "../../identity/audit/mod.ts";
import type { App, AuditSink, Clock, ClusterView, Log, SignAppToken } from "../../identity/mod.ts";
import type { ClusterFacts } from "../../identity/stream/mod.ts";

export interface HostCredentials {
  readonly certificate: string;
  readonly key: string;
}

interface Home {
  readonly cluster: string;
  /** The id of this host in its role. */
  readonly host: string;
  readonly clock: Clock;
  readonly log: Log;
  /** This host's certificate of now. */
  credentials(): HostCredentials;
  facts(): ClusterFacts;
  /** Calls the listener when facts may have changed. */
  onFacts(listener: () => void): () => void;
}

export interface RelayHome extends Home {
  /** Where names lead that are no agent's. */
  readonly toAuthority: (socket: Socket, address: string) => void;
  /** The same for a connection in front of which another relay has said whose it is. */
  readonly forwardedToAuthority: (header: Buffer) => (socket: Socket, address: string) => void;
  /** Says where agents can dial this relay; to be said again before the lease ends. */
  presentRelay(addresses: readonly string[]): Promise<{ readonly lease: number }>;
}

export interface AgentHome extends Home {
  readonly view: ClusterView & { appResources(): App[] };
  readonly audit: AuditSink & { readonly figures: AuditFigures };
  /** What digests of redacted values are made with. */
  readonly redaction: string;
  present(apps: readonly App[]): Promise<void>;
  readonly signAppToken: SignAppToken;
}
