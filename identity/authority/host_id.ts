import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { IdentityError } from "../error.ts";
import type { Store } from "../storage/store.ts";

/**
 * The id of the host that a data directory belongs to: made once, kept in the directory, since
 * several hosts may share a store. 32 hex digits.
 */
export async function hostId(directory: string, store: Store): Promise<string> {
  const file = join(directory, "host_id");
  const there = readId(file);
  if (there !== undefined) return there;
  return await store.update(async (tx) => {
    // The first versions kept it in the store, which then was this directory's alone.
    const former = (await tx.get<{ id: string }>("settings", "host"))?.value.id;
    if (former !== undefined) await tx.delete("settings", "host");
    const id = former ?? randomBytes(16).toString("hex");
    writeId(file, id);
    return id;
  });
}

function readId(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw new IdentityError("STORE_INVALID", `Cannot use ${file}: it is not 32 hex digits`, {
    hint: "Put back the one that was there; or remove it, and the host's apps with `tctl rm`",
  });
}

function writeId(file: string, id: string): void {
  const part = `${file}.${randomBytes(8).toString("hex")}.part`;
  const handle = openSync(part, "wx", 0o600);
  try {
    writeSync(handle, `${id}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(part, file);
}
