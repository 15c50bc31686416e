import type { AuditLog } from "../audit/audit_log.ts";
import type { RestoredItem } from "../storage/restore.ts";
import type { Store } from "../storage/store.ts";

/** Tells the audit log, once, that the cluster goes on from a backup. */
export async function recordRestore(store: Store, audit: AuditLog): Promise<void> {
  const restored = (await store.get<RestoredItem>("settings", "restored"))?.value;
  if (!restored || restored.recorded) return;
  await audit.append({
    type: "store.restored",
    code: "PST02W",
    restored_at: restored.at,
    epoch: restored.epoch,
    // None are known if the database of before could not be read.
    locks_kept: restored.locks,
    tokens_void: restored.voidTokens,
  });
  await store.update((tx) => tx.put("settings", "restored", { ...restored, recorded: true }));
}
