import type { Reader, Store } from "../../storage/store.ts";

/**
 * A store that writes only what is still allowed when it is written: `judge` reads in the same
 * transaction, after all that was committed before it is in force here, and throws otherwise.
 */
export function guardedStore(store: Store, judge: (reader: Reader) => Promise<void>): Store {
  return {
    get: (kind, name) => store.get(kind, name),
    list: (kind) => store.list(kind),
    update: (work, options) =>
      store.update(async (tx) => {
        await store.catchUp();
        await judge(tx);
        return await work(tx);
      }, options),
    subscribe: (listener) => store.subscribe(listener),
    catchUp: () => store.catchUp(),
    revision: () => store.revision(),
    lastNumber: (writer) => store.lastNumber(writer),
    latestRecords: (limit) => store.latestRecords(limit),
    recordsAfter: (seq, limit) => store.recordsAfter(seq, limit),
    latestEvents: (limit) => store.latestEvents(limit),
    eventsWith: (texts, limit) => store.eventsWith(texts, limit),
    copyTo: (file) => store.copyTo(file),
    close: () => store.close(),
  };
}
