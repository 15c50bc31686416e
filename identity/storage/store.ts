/**
 * The cluster's state behind one small interface: named items of a kind, each a JSON value with a
 * revision, written in transactions that all see each other's results in one order.
 */

/** The kinds of item that a store holds. */
export type ItemKind =
  | "agent"
  | "app"
  | "app_pin"
  | "approval"
  | "bot"
  | "bound_keypair"
  | "ca"
  | "heartbeat"
  | "host"
  | "host_token"
  | "instance"
  | "lock"
  | "method_token"
  | "relay"
  | "role"
  | "session"
  | "settings"
  | "token"
  | "used_id_token";

export interface Item<T = unknown> {
  readonly kind: ItemKind;
  readonly name: string;
  /** Larger at every write, over all items: comparing two tells which write came later. */
  readonly revision: number;
  readonly value: T;
  /** When the item ceases to exist; it is not returned after that. */
  readonly expires: Date | undefined;
}

/** What a committed transaction made of one item; `item` is absent when it was deleted. */
export interface Change {
  readonly kind: ItemKind;
  readonly name: string;
  readonly item: Item | undefined;
  /** The place of the commit in the order of all: deletions have one as well. */
  readonly revision: number;
}

export interface Reader {
  get<T>(kind: ItemKind, name: string): Promise<Item<T> | undefined>;
  /** All items of a kind, ordered by name. */
  list<T>(kind: ItemKind): Promise<Item<T>[]>;
}

export interface Transaction extends Reader {
  put(kind: ItemKind, name: string, value: unknown, options?: { expires?: Date }): Promise<void>;
  /** Whether there was something to delete. */
  delete(kind: ItemKind, name: string): Promise<boolean>;
  /**
   * Takes at most `limit` items away that have ended by then; how many there were. Nobody is told:
   * what has ended is there for nobody.
   */
  forgetExpired(before: Date, limit: number): Promise<number>;
  /** Keeps records behind those of before; the same records are kept once. */
  keepRecords(records: PackedRecords): Promise<void>;
}

export interface UpdateOptions {
  /** Whether a power cut cannot undo it once it has resolved (the default). */
  readonly durable?: boolean;
}

/** An audit event as it was written: what chains and their checks are about. */
export interface StoredRecord {
  /** Its place in the order of arrival. */
  readonly seq: number;
  readonly text: string;
}

/** An audit event as stored: `seq` is its place in the order of arrival. */
export interface StoredEvent {
  readonly seq: number;
  readonly event: Readonly<Record<string, unknown>>;
}

/** Audit records that follow each other in the chain of one writer, packed (`pack_records.ts`). */
export interface PackedRecords {
  readonly writer: string;
  /** The number of the first one in its chain. */
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface Store extends Reader {
  /** Runs `work` alone: all of its writes happen, or none when it throws. */
  update<T>(work: (transaction: Transaction) => Promise<T>, options?: UpdateOptions): Promise<T>;
  /** Calls `listener` after each commit; returns how to stop that. */
  subscribe(listener: (changes: readonly Change[]) => void): () => void;
  /**
   * Resolves once listeners have been told of all that was committed before the call, by whichever
   * process: what they keep is then as strict as the store itself.
   */
  catchUp(): Promise<void>;
  /** The highest revision that any write or deletion has had. */
  revision(): Promise<number>;
  /** The number of the newest record of a writer's chain that is here, 0 for none. */
  lastNumber(writer: string): Promise<number>;
  /** The newest `limit` events as they were written, oldest first. */
  latestRecords(limit: number): Promise<StoredRecord[]>;
  /** At most `limit` events after a place in the order of arrival, oldest first. */
  recordsAfter(seq: number, limit: number): Promise<StoredRecord[]>;
  /** The newest `limit` events, oldest first. */
  latestEvents(limit: number): Promise<StoredEvent[]>;
  /** The newest `limit` events whose JSON contains every one of these texts, oldest first. */
  eventsWith(texts: readonly string[], limit: number): Promise<StoredEvent[]>;
  /** Writes all of it, as it is between two transactions, to an empty file. */
  copyTo(file: string): Promise<void>;
  close(): Promise<void>;
}
