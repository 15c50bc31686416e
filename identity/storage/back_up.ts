import { randomBytes } from "node:crypto";
import { closeSync, linkSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { IdentityError } from "../error.ts";
import { checkDatabaseFile } from "./_database_file.ts";
import type { Store } from "./store.ts";
import { sync, syncDirectory } from "./_sync.ts";

/**
 * Copies a store into a file of mode 0600, which appears whole and checked or not at all. What is
 * there already is replaced only by force.
 */
export async function backUp(
  store: Store,
  { file, force }: { readonly file: string; readonly force: boolean },
): Promise<{ readonly bytes: number }> {
  const part = `${file}.${randomBytes(8).toString("hex")}.part`;
  try {
    closeSync(openSync(part, "wx", 0o600));
    await store.copyTo(part);
    checkDatabaseFile(part);
    sync(part);
    const bytes = statSync(part).size;
    if (force) renameSync(part, file);
    // Unlike a rename, a link never replaces anything.
    else linkSync(part, file);
    syncDirectory(dirname(file));
    return { bytes };
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw explain(file, cause as NodeJS.ErrnoException);
  } finally {
    rmSync(part, { force: true });
  }
}

function explain(file: string, cause: NodeJS.ErrnoException): IdentityError {
  if (cause.code === "EEXIST") {
    return new IdentityError("ALREADY_EXISTS", `Cannot write the backup: ${file} exists`, {
      hint: "Choose another name, or replace it with --force",
    });
  }
  return new IdentityError(
    "DESTINATION_UNWRITABLE",
    `Cannot write the backup ${file}: ${cause.code ?? cause.message}`,
    { hint: "app-agent writes it as its own user: check the path, its owner and the space", cause },
  );
}
