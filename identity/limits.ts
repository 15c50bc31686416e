import process from "node:process";

/**
 * What a session with an app may cost, and what the app's server may. An agent has numbers for all
 * of its apps, and an app may have some of its own; docs/limits.md lists them all.
 */
export interface AppLimits {
  /** Open sessions at a time. */
  readonly sessionsPerApp: number;
  /** Milliseconds without a message from either side. */
  readonly idleMs?: number;
  /** Milliseconds from a session's start, within what its certificate allows. */
  readonly durationMs?: number;
  /** Milliseconds that a session is kept while its bridge cannot be reached. */
  readonly unreachedMs: number;
  /** Calls of one bot to one tool, in the long run and at once. */
  readonly callsPerSecond?: number;
  readonly callsBurst?: number;
  /** One message, in bytes; no more than a frame can carry. */
  readonly messageBytes: number;
  /** Objects and lists inside one another. */
  readonly messageDepth: number;
  /** Requests of one client that wait for an answer. */
  readonly pendingRequests: number;
  /** Milliseconds that a server may take for its first answer. */
  readonly startMs: number;
  /** Over HTTP: milliseconds until a connection stands, and until the answer to a request begins. */
  readonly connectMs: number;
  readonly responseMs: number;
  /** Over HTTP: requests of one session that the server works on at a time. */
  readonly concurrentRequests: number;
  /** Of a spawned server and all that is in its process group: resident bytes. */
  readonly serverMemory?: number;
  /** Processes. */
  readonly serverProcesses?: number;
  /** Milliseconds of processor time. */
  readonly serverCpuMs?: number;
  /** Open files of each process. */
  readonly serverOpenFiles?: number;
}

const MIB = 1024 * 1024;

/** Limits that no setting can raise, since what peers keep for each other rests on them. */
export const MOST_MESSAGE_BYTES = 16 * MIB;
export const MOST_MESSAGE_DEPTH = 128;
export const MOST_PENDING_REQUESTS = 10_000;

export const DEFAULT_APP_LIMITS: AppLimits = {
  sessionsPerApp: 1024,
  // A laptop may sleep that long.
  unreachedMs: 3_600_000,
  messageBytes: MOST_MESSAGE_BYTES,
  messageDepth: MOST_MESSAGE_DEPTH,
  pendingRequests: MOST_PENDING_REQUESTS,
  // Some are downloaded when they are first run.
  startMs: 120_000,
  connectMs: 10_000,
  // A server that answers with plain JSON begins when the call is done.
  responseMs: 600_000,
  concurrentRequests: 256,
  // Only Linux tells what a process group uses.
  ...(process.platform === "linux" && { serverMemory: 4096 * MIB, serverProcesses: 512 }),
};
