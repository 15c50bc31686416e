import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import process from "node:process";
import { IdentityError } from "../../identity/mod.ts";

/** Writes this process's id, whole or not at all; returns how to take the file away again. */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  const text = `${process.pid}\n`;
  const fresh = `${path}.${process.pid}`;
  try {
    // Beside its place and "wx": a link that somebody put there is replaced, not followed.
    await writeFile(fresh, text, { flag: "wx", mode: 0o644 });
    await rename(fresh, path);
  } catch (cause) {
    await unlink(fresh).catch(() => {});
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError(
      "DESTINATION_UNWRITABLE",
      `Cannot write the process id to ${path}: ${code}`,
      {
        hint: "Give a path after --pid-file that tbot may write, such as /run/tbot/tbot.pid",
        cause,
      },
    );
  }
  return async () => {
    // Another process may have written its own there.
    const found = await readFile(path, "utf8").catch(() => undefined);
    if (found === text) await unlink(path).catch(() => {});
  };
}
