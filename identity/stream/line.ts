/**
 * What the change stream says: one JSON object on each line. Whoever follows keeps a copy that at
 * each `commit` is the store as it was at one moment, and never an earlier one than before.
 *
 * `begin` opens each stream. After `snapshot` the items up to the next commit are all that there
 * are, and what else the follower has is gone; it comes again when the follower is too slow. After
 * `resume` the stream goes on where the follower said that it was. Puts and deletions count from
 * their commit on.
 */
import type { ItemKind } from "../storage/store.ts";
import type { ClusterFacts } from "./facts.ts";

export type StreamLine =
  | { readonly begin: "snapshot" | "resume"; readonly epoch: string }
  | { readonly put: StreamItem }
  | { readonly gone: { readonly kind: ItemKind; readonly name: string } }
  | { readonly commit: Commit }
  | { readonly facts: ClusterFacts }
  /** Milliseconds since the authority took the request, each second: everything before is told. */
  | { readonly pulse: number }
  /** Something that the authority wants to know of the agent. */
  | { readonly ask: StreamQuestion }
  /** Nothing more comes, since this host may not know it. */
  | { readonly end: { readonly code: string; readonly message: string } };

/** A place in the order of commits, as one authority process counts them. */
export interface Version {
  readonly epoch: string;
  readonly seq: number;
}

export interface Commit {
  readonly seq: number;
  /** The highest revision of the store until here, whoever counts the commits. */
  readonly revision: number;
}

export interface StreamItem {
  readonly kind: ItemKind;
  readonly name: string;
  readonly revision: number;
  readonly value: unknown;
  /** RFC 3339. */
  readonly expires?: string;
}

export interface StreamQuestion {
  readonly id: string;
  readonly what: AgentQuestion;
}

/** What only the agent knows. */
export type AgentQuestion =
  | { readonly kind: "sessions" }
  | { readonly kind: "tools"; readonly app: string }
  /** Sessions that the commits from this one on have ended; asked once they have been told. */
  | { readonly kind: "ended"; readonly since: number };

/** The longest line that is read: a role of the largest size, with room for escapes. */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;

export const PULSE_MS = 1000;
