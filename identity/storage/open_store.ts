import type { Log } from "../log.ts";
import { lockDirectory } from "./_directory_lock.ts";
import type { SealingKeys } from "./seal.ts";
import type { Store } from "./store.ts";

export interface OpenStoreOptions {
  /** The data directory, which is this process's alone as long as the store is open. */
  readonly directory: string;
  /** The connection string of a database that authorities share; SQLite without it. */
  readonly database?: string | undefined;
  readonly now: () => Date;
  readonly sealing?: SealingKeys | undefined;
  /** Hears of a schema that was made newer. */
  readonly log?: Log | undefined;
}

/** Opens the cluster's state, in the directory itself or in the database that it is configured for. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { directory, database, now, sealing, log } = options;
  if (database === undefined) {
    const { openSqliteStore } = await import("./sqlite.ts");
    return openSqliteStore({ directory, now, sealing, log });
  }
  const lock = lockDirectory(directory);
  try {
    const { openPostgresStore } = await import("./postgres.ts");
    const store = await openPostgresStore({ url: database, directory, now, sealing, log });
    const close = store.close.bind(store);
    store.close = () => close().finally(() => lock.release());
    return store;
  } catch (error) {
    lock.release();
    throw error;
  }
}
