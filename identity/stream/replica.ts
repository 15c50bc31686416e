/**
 * A follower's copy of the items that it may know, as of one commit. It never shows a commit in part,
 * and never an earlier state than it has shown before.
 */
import { IdentityError } from "../error.ts";
import type { Change, Item, ItemKind } from "../storage/store.ts";
import type { Commit, StreamItem, StreamLine, Version } from "./line.ts";

export class Replica {
  #items = new Map<string, Item>();
  #version: Version | undefined;
  /** The highest revision that it has heard of. */
  #revision = 0;
  #epoch = "";
  #snapshot = false;
  #pending = new Map<string, Change>();
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();

  /** Where to go on; undefined before the first commit. */
  get version(): Version | undefined {
    return this.#version;
  }

  get size(): number {
    return this.#items.size;
  }

  get<T>(kind: ItemKind, name: string): Item<T> | undefined {
    return this.#items.get(`${kind}/${name}`) as Item<T> | undefined;
  }

  list<T>(kind: ItemKind): Promise<Item<T>[]> {
    const items = [...this.#items.values()].filter((item) => item.kind === kind) as Item<T>[];
    return Promise.resolve(items.sort((a, b) => a.name < b.name ? -1 : 1));
  }

  /** Calls `listener` after each commit that changed something. */
  subscribe(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A new stream: what was told of a commit that never came counts for nothing. */
  restart(): void {
    this.#epoch = "";
  }

  /** Takes a line; returns whether it was the end of a commit. Throws on a line out of order. */
  apply(line: StreamLine): boolean {
    if ("begin" in line) this.#begin(line);
    else if ("put" in line) this.#note(line.put.kind, line.put.name, toItem(line.put));
    else if ("gone" in line) this.#note(line.gone.kind, line.gone.name, undefined);
    else if ("commit" in line) {
      this.#commit(line.commit);
      return true;
    }
    return false;
  }

  #begin({ begin, epoch }: Extract<StreamLine, { begin: unknown }>): void {
    if (begin === "resume" && epoch !== this.#version?.epoch) {
      throw outOfOrder("it resumes what this host has never had");
    }
    this.#pending.clear();
    this.#snapshot = begin === "snapshot";
    this.#epoch = epoch;
  }

  #note(kind: ItemKind, name: string, item: Item | undefined): void {
    if (this.#epoch === "") throw outOfOrder("it has not begun");
    this.#pending.set(`${kind}/${name}`, { kind, name, item, revision: item?.revision ?? 0 });
  }

  #commit({ seq, revision }: Commit): void {
    if (this.#epoch === "") throw outOfOrder("it has not begun");
    // Another authority may not have heard of everything yet that this host knows already.
    if (revision < this.#revision) throw outOfOrder("it is behind what this host has been told");
    if (this.#version?.epoch === this.#epoch && seq < this.#version.seq) {
      throw outOfOrder("it goes back to a commit that this host has passed");
    }
    const told = this.#snapshot ? this.#difference() : this.#pending.values();
    const changes = [...told].map((change) => ({ ...change, revision }));
    for (const { kind, name, item } of changes) {
      if (item) this.#items.set(`${kind}/${name}`, item);
      else this.#items.delete(`${kind}/${name}`);
    }
    this.#pending = new Map();
    this.#snapshot = false;
    this.#revision = revision;
    this.#version = { epoch: this.#epoch, seq };
    if (changes.length > 0) { for (const listener of this.#listeners) listener(changes); }
  }

  /** What leads from what is here to the snapshot. */
  *#difference(): Iterable<Change> {
    for (const [key, { kind, name }] of this.#items) {
      if (!this.#pending.has(key)) yield { kind, name, item: undefined, revision: 0 };
    }
    for (const [key, change] of this.#pending) {
      if (this.#items.get(key)?.revision !== change.item?.revision) yield change;
    }
  }
}

function toItem({ kind, name, revision, value, expires }: StreamItem): Item {
  return { kind, name, revision, value, expires: expires ? new Date(expires) : undefined };
}

function outOfOrder(because: string): IdentityError {
  return new IdentityError("API_PROTOCOL", `Cannot follow the cluster's changes: ${because}`, {
    hint: "The host begins anew by itself; if it goes on, look into the authority's log",
  });
}
