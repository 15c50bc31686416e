import { DatabaseSync } from "node:sqlite";
import type { Sql } from "postgres";
import { SCHEMA } from "./_sqlite_schema.ts";

const AT_ONCE = 500;

/** Copies the state of one moment into an empty SQLite file, the form that backups have. */
export async function copyToSqlite(sql: Sql, file: string): Promise<void> {
  const target = new DatabaseSync(file);
  try {
    target.exec("BEGIN IMMEDIATE");
    target.exec(SCHEMA);
    await sql.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", async (tx) => {
      const [counter] = await tx`SELECT revision FROM postern.counter`;
      target.prepare("UPDATE counter SET revision = ?").run(Number(counter!["revision"]));
      const item = target.prepare("INSERT INTO items VALUES (?, ?, ?, ?, ?)");
      const items = tx`SELECT kind, name, revision, value, expires FROM postern.items`;
      for await (const rows of items.cursor(AT_ONCE)) {
        for (const { kind, name, revision, value, expires } of rows as Record<string, string>[]) {
          const end = expires === null ? null : Number(expires);
          item.run(kind!, name!, Number(revision), value!, end);
        }
      }
      const record = target.prepare("INSERT INTO records VALUES (?, ?, ?, ?, ?)");
      const records = tx`SELECT last, count, writer, first, packed FROM postern.records`;
      for await (const rows of records.cursor(AT_ONCE)) {
        for (const row of rows) {
          record.run(
            Number(row["last"]),
            Number(row["count"]),
            String(row["writer"]),
            Number(row["first"]),
            row["packed"] as Uint8Array,
          );
        }
      }
    });
    target.exec("COMMIT");
  } finally {
    target.close();
  }
}
