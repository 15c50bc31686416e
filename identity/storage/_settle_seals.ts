import type { DatabaseSync } from "node:sqlite";
import { isSealed, SEALED_KINDS, type Sealer } from "./seal.ts";
import type { ItemKind } from "./store.ts";

/**
 * Sees to it that all that is to be sealed is so with the current key: also what was stored before
 * there was a key, or with the key before this one. What it replaces stays nowhere in the file.
 */
export function settleSeals(database: DatabaseSync, sealer: Sealer): void {
  const rows = [...SEALED_KINDS].flatMap((kind) =>
    database.prepare("SELECT kind, name, value FROM items WHERE kind = ?").all(kind)
  ) as unknown as { kind: ItemKind; name: string; value: string }[];
  const changed = rows.flatMap(({ kind, name, value }) => {
    const place = `${kind}/${name}`;
    // Opened even if it is current: a wrong key or a damaged envelope shows at the start.
    const text = isSealed(value) ? sealer.open(place, value) : value;
    return sealer.isCurrent(value) ? [] : [{ kind, name, sealed: sealer.seal(place, text) }];
  });
  const unfinished = database.prepare(`SELECT 1 FROM items WHERE ${PENDING}`).get();
  if (changed.length === 0 && unfinished === undefined) return;
  database.exec("PRAGMA secure_delete = ON");
  database.exec("BEGIN IMMEDIATE");
  const update = database.prepare("UPDATE items SET value = ? WHERE kind = ? AND name = ?");
  for (const { kind, name, sealed } of changed) update.run(sealed, kind, name);
  // Whoever opens it next goes on, if this process ends before the rest is done.
  database.exec(
    "INSERT OR IGNORE INTO items VALUES ('settings', 'vacuum_pending', 0, 'true', NULL)",
  );
  database.exec("COMMIT");
  // The free pages and the log may hold what was there before.
  database.exec("VACUUM");
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.exec(`DELETE FROM items WHERE ${PENDING}`);
}

/** That the file is still to be written anew. */
const PENDING = "kind = 'settings' AND name = 'vacuum_pending'";
