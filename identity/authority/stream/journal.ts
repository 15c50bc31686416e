/**
 * The commits of a store in their order, for followers in other processes. It keeps a copy of the
 * items that they follow, so that a snapshot is the state at one commit and not a walk through
 * several, and the newest commits, so that whoever was away for a while misses nothing.
 */
import { randomUUID } from "node:crypto";
import type { Change, Item, ItemKind, Store } from "../../storage/store.ts";
import type { Commit, Version } from "../../stream/line.ts";

/** What somebody in another process may have to know of. */
const FOLLOWED: readonly ItemKind[] = [
  "agent",
  "app",
  "approval",
  "bot",
  "host",
  "lock",
  "relay",
  "role",
];

export interface JournalLimits {
  /** Changes that are kept for those who come back. */
  readonly kept: number;
  /** Items that may wait for one follower; beyond it the follower is told everything anew. */
  readonly pending: number;
}

export const DEFAULT_JOURNAL_LIMITS: JournalLimits = { kept: 20_000, pending: 10_000 };

interface Entry {
  readonly seq: number;
  readonly changes: readonly Change[];
}

/** Whether a follower is told of an item; `wake`: that something has happened, and no more. */
export type Filter = (kind: ItemKind, name: string) => boolean | "wake";

/** What a follower has to be told next. */
export type Batch =
  | { readonly kind: "snapshot"; readonly items: readonly Item[]; readonly commit: Commit }
  | { readonly kind: "changes"; readonly changes: readonly Change[]; readonly commit: Commit };

export class Journal {
  /** Of this journal; another process counts otherwise. */
  readonly epoch = randomUUID();
  readonly #limits: JournalLimits;
  readonly #items = new Map<ItemKind, Map<string, Item>>(FOLLOWED.map((kind) => [kind, new Map()]));
  readonly #followers = new Set<JournalFollower>();
  #entries: Entry[] = [];
  #kept = 0;
  #seq = 0;
  #revision = 0;

  private constructor(limits: JournalLimits) {
    this.#limits = limits;
  }

  static async open(
    store: Pick<Store, "list" | "revision" | "subscribe">,
    limits: Partial<JournalLimits> = {},
  ): Promise<Journal> {
    const journal = new Journal({ ...DEFAULT_JOURNAL_LIMITS, ...limits });
    // Nobody follows yet, so it does no harm that a list may be newer than the changes after it.
    let early: Change[] | undefined = [];
    store.subscribe((changes) => early ? early.push(...changes) : journal.#commit(changes));
    // At the least; a list may be newer, and then the changes that made it so are among the early.
    journal.#revision = await store.revision();
    for (const kind of FOLLOWED) {
      for (const item of await store.list(kind)) journal.#apply({ ...item, item });
    }
    for (const change of early) journal.#apply(change);
    early = undefined;
    return journal;
  }

  get commit(): Commit {
    return { seq: this.#seq, revision: this.#revision };
  }

  get<T>(kind: ItemKind, name: string): Item<T> | undefined {
    return this.#items.get(kind)?.get(name) as Item<T> | undefined;
  }

  list<T>(kind: ItemKind): Item<T>[] {
    return [...this.#items.get(kind)?.values() ?? []] as Item<T>[];
  }

  /**
   * Follows from a place on, or from nothing. `wake` is called when there is something to take, and
   * for that not again before it was taken.
   */
  follow(after: Version | undefined, filter: Filter, wake: () => void): JournalFollower {
    const missed = after?.epoch === this.epoch ? this.#after(after.seq) : undefined;
    const source = {
      snapshot: () => this.#all().filter(({ kind, name }) => filter(kind, name) === true),
      commit: () => this.commit,
      limit: this.#limits.pending,
      filter,
      wake,
      close: () => void this.#followers.delete(follower),
    };
    const follower = new JournalFollower(source, missed);
    this.#followers.add(follower);
    return follower;
  }

  #all(): Item[] {
    return [...this.#items.values()].flatMap((items) => [...items.values()]);
  }

  /** Everything after a place; undefined if that is not known any more. */
  #after(seq: number): readonly Change[] | undefined {
    if (seq > this.#seq || seq < this.#seq - this.#entries.length) return undefined;
    return this.#entries.filter((entry) => entry.seq > seq).flatMap(({ changes }) => changes);
  }

  #commit(all: readonly Change[]): void {
    const changes = all.filter((change) => this.#apply(change));
    if (changes.length === 0) return;
    this.#seq++;
    this.#entries.push({ seq: this.#seq, changes });
    this.#kept += changes.length;
    while (this.#kept > this.#limits.kept) this.#kept -= this.#entries.shift()!.changes.length;
    for (const follower of [...this.#followers]) follower.note(changes);
  }

  /** Whether somebody may have to know. */
  #apply({ kind, name, item, revision }: Change): boolean {
    this.#revision = Math.max(this.#revision, revision);
    const items = this.#items.get(kind);
    if (items === undefined) return false;
    if (item) items.set(name, item);
    else items.delete(name);
    return true;
  }
}

interface Source {
  readonly snapshot: () => readonly Item[];
  readonly commit: () => Commit;
  readonly limit: number;
  readonly filter: Filter;
  readonly wake: () => void;
  readonly close: () => void;
}

/**
 * One follower. What waits for it is one change for each item, the newest, however many commits it
 * is behind; so it is bounded, and taking it leads to the state of one commit.
 */
export class JournalFollower {
  readonly #source: Source;
  /** Undefined: everything has to be told. */
  #pending: Map<string, Change> | undefined;
  #told: boolean;

  constructor(source: Source, missed: readonly Change[] | undefined) {
    this.#source = source;
    this.#pending = missed && new Map();
    // Also nothing is worth telling once: that there was nothing.
    this.#told = false;
    if (missed) this.#note(missed);
  }

  /** Whether it goes on where it was. */
  get resumes(): boolean {
    return this.#pending !== undefined;
  }

  /** What there is to tell now, to be told as one; undefined for nothing. */
  take(): Batch | undefined {
    const { commit, snapshot } = this.#source;
    const pending = this.#pending;
    if (pending === undefined) {
      this.#pending = new Map();
      this.#told = true;
      return { kind: "snapshot", items: snapshot(), commit: commit() };
    }
    if (pending.size === 0 && this.#told) return undefined;
    this.#told = true;
    this.#pending = new Map();
    return { kind: "changes", changes: [...pending.values()], commit: commit() };
  }

  note(changes: readonly Change[]): void {
    if (this.#note(changes)) this.#source.wake();
  }

  close(): void {
    this.#source.close();
  }

  #note(changes: readonly Change[]): boolean {
    const pending = this.#pending;
    const before = pending?.size;
    let wakes = false;
    for (const change of changes) {
      const { kind, name } = change;
      const verdict = this.#source.filter(kind, name);
      if (verdict === true) pending?.set(keyOf(kind, name), change);
      wakes ||= verdict === "wake";
    }
    if (pending && pending.size > this.#source.limit) this.#pending = undefined;
    return wakes || (before === 0 && pending!.size > 0);
  }
}

function keyOf(kind: ItemKind, name: string): string {
  return `${kind}/${name}`;
}
