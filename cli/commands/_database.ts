import { IdentityError } from "../../identity/mod.ts";
import type { Clock } from "../../identity/mod.ts";
import { Values } from "../../relay/agent/mod.ts";
import type { SharedStorage } from "../config/storage_section.ts";

/** Fetches the connection string of the database that a configuration names, if it names one. */
export async function readDatabase(
  storage: SharedStorage | undefined,
  clock: Clock,
): Promise<string | undefined> {
  if (storage === undefined) return undefined;
  try {
    return await new Values(clock).read(storage.connString);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new IdentityError(
      "CONFIG_INVALID",
      `Cannot read teleport.storage.conn_string: ${found}`,
      {
        hint: "See that its file, variable or command is there for the user of this program",
        cause,
      },
    );
  }
}
