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
  if (changed.length === 0) return;
  database.exec("PRAGMA secure_delete = ON");
  database.exec("BEGIN IMMEDIATE");
  const update = database.prepare("UPDATE items SET value = ? WHERE kind = ? AND name = ?");
  for (const { kind, name, sealed } of changed) update.run(sealed, kind, name);
  database.exec("COMMIT");
  // The free pages and the log may hold what was there before.
  database.exec("VACUUM");
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}
