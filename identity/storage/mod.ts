/** Where a cluster keeps its state. */
export { type NumberedRecord, packRecords } from "./pack_records.ts";
export { openStore } from "./open_store.ts";
export type { OpenStoreOptions } from "./open_store.ts";
export { restoreStore } from "./restore.ts";
export type { Restored, RestoreOptions } from "./restore.ts";
export { restorePostgres } from "./restore_postgres.ts";
export { parseSealingKey } from "./seal.ts";
export type { SealingKeys } from "./seal.ts";
export { openSqliteStore } from "./sqlite.ts";
export type { SqliteOptions } from "./sqlite.ts";
export type { Change, Item, ItemKind, Reader, Store, StoredEvent, Transaction } from "./store.ts";
