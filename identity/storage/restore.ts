/**
 * Puts a backup in the place of a cluster's database, while nothing runs. Time goes back for the
 * cluster and not for the world, so that three things are seen to: tokens that were unused may have
 * been used since and are void; locks of the replaced database hold on; and the store gets a new
 * epoch, in which machines that are ahead of it are taken at their word once (`renew_bot.ts`).
 */
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { IdentityError } from "../error.ts";
import { checkDatabaseFile } from "./_database_file.ts";
import { migrate, stampOf } from "./_sqlite_schema.ts";
import { sync, syncDirectory } from "./_sync.ts";

export interface RestoreOptions {
  readonly file: string;
  readonly directory: string;
  /** Replaces a cluster that is there. */
  readonly force: boolean;
  readonly now: Date;
}

export interface Restored {
  /** Where the database is now that was there before. */
  readonly replaced: string | undefined;
  /** Locks of it that hold on; undefined if it could not be read. */
  readonly locks: number | undefined;
  readonly voidTokens: number;
}

/** `settings/restored`. */
export interface RestoredItem {
  readonly epoch: string;
  /** RFC 3339. */
  readonly at: string;
  readonly locks: number | null;
  readonly voidTokens: number;
  /** Whether the audit log tells of it. */
  readonly recorded: boolean;
}

export type Row = {
  kind: string;
  name: string;
  revision: number;
  value: string;
  expires: number | null;
};

/** Of the state that is replaced. */
export interface Former {
  readonly locks: readonly Row[];
  readonly revision: number;
}

export function restoreStore({ file, directory, force, now }: RestoreOptions): Restored {
  checkDatabaseFile(file);
  const target = join(directory, "cluster.sqlite");
  const there = existsSync(target);
  if (there && !force) {
    throw new IdentityError("ALREADY_EXISTS", `There is a cluster in ${directory}`, {
      hint: "Replace it with --force; its database is kept under another name",
    });
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const part = `${target}.restoring`;
  rmSync(part, { force: true });
  const lock = there ? takeLock(target, directory) : undefined;
  try {
    copyFileSync(file, part);
    chmodSync(part, 0o600);
    const former = lock && readFormer(lock);
    const counts = settle(part, former, there, now);
    sync(part);
    const replaced = there ? `${target}.replaced-${stampOf(now)}` : undefined;
    // Closing it writes its log into the file, which has to be whole before it moves.
    lock?.close();
    for (const log of [`${target}-wal`, `${target}-shm`]) {
      if (existsSync(log)) renameSync(log, `${replaced ?? part}${log.slice(target.length)}`);
    }
    // At no moment is there none: app-agent would make a new cluster.
    if (replaced !== undefined) linkSync(target, replaced);
    renameSync(part, target);
    syncDirectory(directory);
    return { replaced, ...counts };
  } finally {
    if (lock?.isOpen) lock.close();
    rmSync(part, { force: true });
  }
}

/** The database that is there, for us alone; undefined if it is too damaged to be opened. */
function takeLock(target: string, directory: string): DatabaseSync | undefined {
  const database = new DatabaseSync(target);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;");
    return database;
  } catch (cause) {
    database.close();
    if (!/locked|busy/i.test(String(cause))) return undefined;
    throw new IdentityError(
      "DATA_DIR_IN_USE",
      `Cannot restore into ${directory}: another process is using it`,
      { hint: "Stop app-agent, restore, and start it again", cause },
    );
  }
}

function readFormer(database: DatabaseSync): Former | undefined {
  try {
    const locks = database.prepare("SELECT * FROM items WHERE kind = 'lock'").all();
    const counter = database.prepare("SELECT revision FROM counter").get();
    return { locks: locks as unknown as Row[], revision: Number(counter?.["revision"] ?? 0) };
  } catch {
    // It may be restored because it is damaged.
    return undefined;
  }
}

/** Makes of a copy of a backup the state to go on with. */
export function settle(
  part: string,
  former: Former | undefined,
  there: boolean,
  now: Date,
): { locks: number | undefined; voidTokens: number } {
  const database = new DatabaseSync(part);
  try {
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL");
    migrate(database);
    database.exec("BEGIN IMMEDIATE");
    // Revisions grow on, so that nobody's edit of before passes for one of the restored state.
    database.prepare("UPDATE counter SET revision = MAX(revision, ?) + 1")
      .run(former?.revision ?? 0);
    const put = database.prepare(
      `INSERT INTO items (kind, name, revision, value, expires)
       VALUES (?, ?, (SELECT revision FROM counter), ?, ?)
       ON CONFLICT (kind, name) DO UPDATE SET
       revision = excluded.revision, value = excluded.value, expires = excluded.expires`,
    );
    for (const { name, value, expires } of former?.locks ?? []) {
      put.run("lock", name, value, expires);
    }
    const { changes } = database.prepare(
      `DELETE FROM items WHERE kind = 'host_token'
       OR (kind = 'token' AND json_extract(value, '$.used') IS NULL)`,
    ).run();
    const voidTokens = Number(changes);
    const locks = there ? former?.locks.length : 0;
    const restored: RestoredItem = {
      epoch: randomUUID(),
      at: now.toISOString(),
      locks: locks ?? null,
      voidTokens,
      recorded: false,
    };
    put.run("settings", "restored", JSON.stringify(restored), null);
    database.exec("COMMIT");
    return { locks, voidTokens };
  } finally {
    database.close();
  }
}
