/**
 * The cluster's state behind one small interface: named items of a kind, each a JSON value with a
 * revision, written in transactions that all see each other's results in one order.
 */

/** The kinds of item that a store holds. */
export type ItemKind =
  | "agent"
  | "app"
  | "bot"
  | "ca"
  | "instance"
  | "lock"
  | "role"
  | "session"
  | "settings"
  | "token";

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
}

/** An audit event as it was written: what chains and their checks are about. */
export interface StoredRecord {
  /** Its place in the order of arrival. */
  readonly seq: number;
  readonly uid: string;
  readonly text: string;
}

/** An audit event as stored: `seq` is its place in the order of arrival. */
export interface StoredEvent {
  readonly seq: number;
  readonly uid: string;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Store extends Reader {
  /** Runs `work` alone: all of its writes happen, or none when it throws. */
  update<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Calls `listener` after each commit; returns how to stop that. */
  subscribe(listener: (changes: readonly Change[]) => void): () => void;
  /** Keeps events whose `uid` is new, in the given order; the text is the event's JSON. */
  keepEvents(events: readonly Pick<StoredRecord, "uid" | "text">[]): Promise<void>;
  /** The newest `limit` events as they were written, oldest first. */
  latestRecords(limit: number): Promise<StoredRecord[]>;
  /** At most `limit` events after a place in the order of arrival, oldest first. */
  recordsAfter(seq: number, limit: number): Promise<StoredRecord[]>;
  /** The newest `limit` events, oldest first. */
  latestEvents(limit: number): Promise<StoredEvent[]>;
  /** The newest `limit` events whose JSON contains every one of these texts, oldest first. */
  eventsWith(texts: readonly string[], limit: number): Promise<StoredEvent[]>;
  close(): Promise<void>;
}
