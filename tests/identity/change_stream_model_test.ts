// The change stream against a model: whatever is committed, and however the way breaks, a follower
// is at each commit where the store was at that commit, never goes back, and misses nothing.
import assert from "node:assert/strict";
import fc from "fast-check";
import { batchLines } from "../../identity/authority/stream/change_stream.ts";
import { Journal, type JournalFollower } from "../../identity/authority/stream/journal.ts";
import { Replica } from "../../identity/stream/replica.ts";
import type { StreamLine } from "../../identity/stream/line.ts";
import type { Change, Item, ItemKind } from "../../identity/storage/mod.ts";
import { test } from "../support/harness.ts";

/** A store that remembers what it was after each commit. */
class ModelStore {
  readonly #items = new Map<string, Item>();
  #listener: (changes: readonly Change[]) => void = () => {};
  #revision = 0;
  /** The state after each commit, as text, and the highest revision until then. */
  readonly states: string[] = [this.state];

  get state(): string {
    const entries = [...this.#items].sort(([a], [b]) => a < b ? -1 : 1);
    return JSON.stringify(entries.map(([key, { revision, value }]) => [key, revision, value]));
  }

  commit(writes: readonly (readonly [string, number | undefined])[]): void {
    const changed = new Set<string>();
    for (const [name, value] of writes) {
      if (value === undefined) {
        if (!this.#items.delete(name)) continue;
        this.#revision++;
        changed.add(name);
        continue;
      }
      const revision = ++this.#revision;
      this.#items.set(name, { kind: "role", name, revision, value, expires: undefined });
      changed.add(name);
    }
    if (changed.size === 0) return;
    this.states.push(this.state);
    this.#listener([...changed].map((name) => ({
      kind: "role",
      name,
      item: this.#items.get(name),
      revision: this.#revision,
    })));
  }

  list<T>(kind: ItemKind): Promise<Item<T>[]> {
    return Promise.resolve(kind === "role" ? [...this.#items.values()] as Item<T>[] : []);
  }

  revision(): Promise<number> {
    return Promise.resolve(this.#revision);
  }

  /** Of the journal of now; those of before hear nothing any more. */
  subscribe(listener: (changes: readonly Change[]) => void): () => void {
    this.#listener = listener;
    return () => {};
  }
}

/** One end of the way: lines that were told and not taken yet. */
class Way {
  readonly #replica: Replica;
  #follower: JournalFollower | undefined;
  #epoch = "";
  #lines: StreamLine[] = [];

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Whatever was under way is lost; a new stream goes on where the replica is. */
  connect(journal: Journal): void {
    this.#follower?.close();
    this.#replica.restart();
    this.#epoch = journal.epoch;
    this.#follower = journal.follow(this.#replica.version, () => true, () => {});
    this.#lines = this.#follower.resumes ? [{ begin: "resume", epoch: journal.epoch }] : [];
  }

  /** Takes lines, as they would come over a wire; calls `committed` at the end of each commit. */
  take(count: number, committed: () => void): void {
    for (let taken = 0; taken < count; taken++) {
      if (this.#lines.length === 0) {
        const batch = this.#follower?.take();
        if (batch === undefined) return;
        this.#lines = [...batchLines(batch, this.#epoch)];
      }
      const line = JSON.parse(JSON.stringify(this.#lines.shift())) as StreamLine;
      if (this.#replica.apply(line)) committed();
    }
  }
}

type Step =
  | { readonly do: "commit"; readonly writes: readonly (readonly [string, number | undefined])[] }
  | { readonly do: "take"; readonly lines: number }
  | { readonly do: "break" }
  | { readonly do: "restart" };

const write = fc.tuple(
  fc.constantFrom("a", "b", "c", "d", "e", "f"),
  fc.option(fc.nat(9), { nil: undefined }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      writes: fc.array(write, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("take" as const),
      lines: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "break" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
);

test("a follower is always where the store was at one commit, goes on only, and misses nothing", async () => {
  const seen = { snapshots: 0, resumed: 0, coalesced: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const store = new ModelStore();
      // Small, so that followers are too slow and away for too long often enough.
      const limits = { kept: 12, pending: 3 };
      let journal = await Journal.open(store, limits);
      const replica = new Replica();
      const way = new Way(replica);
      way.connect(journal);
      let at = 0;
      const stateOf = async () => {
        const items = await replica.list("role");
        return JSON.stringify(items.map(({ name, revision, value }) => [name, revision, value]));
      };
      const check = async () => {
        const state = await stateOf();
        const next = store.states.indexOf(state, at);
        assert.ok(next >= 0, `the follower is at no state from ${at} on: ${state}`);
        if (next > at + 1) seen.coalesced++;
        at = next;
      };
      for (const each of steps) {
        if (each.do === "commit") store.commit(each.writes);
        if (each.do === "break") {
          way.connect(journal);
          seen.resumed++;
        }
        if (each.do === "restart") {
          journal = await Journal.open(store, limits);
          way.connect(journal);
          seen.snapshots++;
        }
        if (each.do !== "take") continue;
        let commits = 0;
        way.take(each.lines, () => commits++);
        if (commits > 0) await check();
      }
      way.take(Infinity, () => {});
      assert.equal(await stateOf(), store.state, "in the end nothing is missing");
    }),
    { numRuns: 1500 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 100, `${what}: ${times}`);
});

test("a follower that is too slow is told everything anew, and no more waits for it than that", async () => {
  const store = new ModelStore();
  const journal = await Journal.open(store, { pending: 3 });
  const follower = journal.follow(undefined, () => true, () => {});
  assert.equal(follower.take()?.kind, "snapshot");
  for (const name of ["a", "b", "c"]) store.commit([[name, 1]]);
  const batch = follower.take();
  assert.deepEqual([batch?.kind, batch?.commit.seq], ["changes", 3]);
  for (const name of ["a", "b", "c", "d"]) store.commit([[name, 2]]);
  assert.equal(follower.take()?.kind, "snapshot");
  assert.equal(follower.take(), undefined);
});

test("one who was away for longer than the journal reaches begins anew, and others go on", async () => {
  const store = new ModelStore();
  const journal = await Journal.open(store, { kept: 2 });
  for (const name of ["a", "b", "c"]) store.commit([[name, 1]]);
  const { epoch } = journal;
  const resumes = (seq: number, from: string = epoch) =>
    journal.follow({ epoch: from, seq }, () => true, () => {}).resumes;
  assert.deepEqual([0, 1, 3, 4].map((seq) => resumes(seq)), [false, true, true, false]);
  assert.equal(resumes(3, "another"), false);
});

test("a replica refuses an authority that knows less than the one before", () => {
  const replica = new Replica();
  const put = (revision: number) => ({
    put: { kind: "lock" as const, name: "l", revision, value: {} },
  });
  replica.apply({ begin: "snapshot", epoch: "first" });
  replica.apply(put(7));
  assert.ok(replica.apply({ commit: { seq: 5, revision: 7 } }));
  // A second authority that has not heard of the lock yet must not take it away.
  replica.restart();
  replica.apply({ begin: "snapshot", epoch: "second" });
  assert.throws(() => replica.apply({ commit: { seq: 9, revision: 6 } }), { code: "API_PROTOCOL" });
  assert.equal(replica.size, 1);
  replica.restart();
  assert.throws(() => replica.apply({ begin: "resume", epoch: "second" }), {
    code: "API_PROTOCOL",
  });
  replica.restart();
  replica.apply({ begin: "resume", epoch: "first" });
  assert.throws(() => replica.apply({ commit: { seq: 4, revision: 7 } }), { code: "API_PROTOCOL" });
});
