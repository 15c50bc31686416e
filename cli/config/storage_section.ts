/** `teleport.storage` of `teleport.yaml`: where the cluster's state is. */
import { z } from "zod";
import { secretSource } from "../../identity/config/mod.ts";
import type { ValueSource } from "../../identity/mod.ts";

/** A database that authorities share; without one, SQLite in the data directory. */
export interface SharedStorage {
  /** Where its connection string is found. */
  readonly connString: ValueSource;
}

export const storageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("postgresql"),
    conn_string: z.union([
      z.string().min(1).transform((value): ValueSource => ({ kind: "value", value })),
      secretSource,
    ]),
  }),
  // The original's names for its embedded databases, one of which is SQLite.
  z.strictObject({ type: z.enum(["dir", "sqlite"]) }),
]).transform((section): SharedStorage | undefined =>
  section.type === "postgresql" ? { connString: section.conn_string } : undefined
);
