/** What callers of a tunnel may take up; any program on the machine can be one. */
import { MAX_LINE_BYTES } from "../wire/frame.ts";

/** Sessions of the revisions that have such; each is a session with the agent, and a server. */
export const MAX_SESSIONS = 32;

/** Sessions with the agent for requests that stand alone. */
export const MAX_PEERS = 32;

/** Milliseconds after which a session with the agent that nobody uses is ended. */
export const IDLE_MS = 30 * 60_000;
export const PEER_IDLE_MS = 60_000;

/** Milliseconds without an answer after which a stream is begun, so that the caller waits on. */
export const STREAM_MS = 10_000;

/** Messages of a server that wait for a stream to its client, and their bytes. */
export const MAX_EARLY = 64;
export const MAX_EARLY_BYTES = 1024 * 1024;

export const MAX_BODY_BYTES = MAX_LINE_BYTES;
/** Bytes of messages that have come and have not been passed on, over all callers. */
export const MAX_HELD_BYTES = 64 * 1024 * 1024;

export const MAX_HEADER_BYTES = 16 * 1024;
export const MAX_CONNECTIONS = 256;

/** Milliseconds in which a request must have come whole. */
export const REQUEST_MS = 60_000;
