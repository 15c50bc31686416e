import { randomBytes } from "node:crypto";
import {
  chown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { grantReaders } from "./_acl.ts";
import type { Destination, DestinationSpec } from "./destination.ts";

type DirectorySpec = Extract<DestinationSpec, { type: "directory" }>;

/** The file that proves, before a certificate is asked for, that it could be kept. */
const WRITE_TEST = ".write-test";

/** The names of unfinished files; those that a crash left behind are found by it. */
const UNFINISHED = /^\..+\.[0-9a-f]{16}\.tmp$/;

/** A temporary file this old belongs to no write in progress. */
const UNFINISHED_MS = 3_600_000;

/** A directory of private files, each written beside its place, synced, and moved there. */
export function directoryDestination(spec: DirectorySpec, log: Log): Destination {
  const path = resolve(spec.path);
  return {
    name: path,
    prepare: () =>
      guarded(path, async () => {
        await mkdir(path, { recursive: true, mode: 0o700 });
        await checkPath(path, spec);
        await removeUnfinished(path);
        await grantReaders(path, "directory", spec, log);
        await replace(path, WRITE_TEST, "", spec, log);
      }),
    read: (file) => guarded(path, () => readOptional(join(path, file))),
    write: (file, content) =>
      guarded(path, async () => {
        await checkPath(path, spec);
        await replace(path, file, content, spec, log);
      }),
    remove: (file) => guarded(path, () => rm(join(path, file), { force: true })),
  };
}

async function replace(
  directory: string,
  file: string,
  content: string,
  spec: DirectorySpec,
  log: Log,
): Promise<void> {
  const fresh = join(directory, `.${file}.${randomBytes(8).toString("hex")}.tmp`);
  try {
    // "wx": the file is new and ours, so nobody else holds it open or chose its mode.
    const handle = await open(fresh, "wx", 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await keepOwner(fresh, join(directory, file));
    // Before the rename, so that readers never meet a file that they may not open.
    await grantReaders(fresh, "file", spec, log);
    // Replaces a symbolic link at the name itself; it is never written through.
    await rename(fresh, join(directory, file));
  } catch (cause) {
    await rm(fresh, { force: true }).catch(() => {});
    throw cause;
  }
  await syncDirectory(directory);
}

/** A file that somebody was given stays theirs; only root writes files of others. */
async function keepOwner(fresh: string, old: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const info = await lstat(old).catch(() => undefined);
  if (info?.isFile() && (info.uid !== 0 || info.gid !== 0)) await chown(fresh, info.uid, info.gid);
}

/** Makes a rename survive a power cut; Windows has nothing of the kind. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Refuses a path that leads through a symbolic link. `try-secure` asks for it on Linux only:
 * elsewhere links such as macOS's `/tmp` are a part of the system.
 */
export async function checkPath(
  path: string,
  { symlinks }: Pick<DirectorySpec, "symlinks">,
): Promise<void> {
  if (symlinks === "insecure") return;
  if (symlinks === "try-secure" && process.platform !== "linux") return;
  const real = await realpath(path);
  if (real === path) return;
  throw new IdentityError(
    "DESTINATION_UNWRITABLE",
    `Cannot write to ${path}: a symbolic link leads to ${real}`,
    {
      hint: `Configure the path ${real}, or set \`symlinks: insecure\` if the link can be trusted`,
    },
  );
}

async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!UNFINISHED.test(name)) continue;
    const file = join(directory, name);
    const info = await stat(file).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > UNFINISHED_MS) await rm(file, { force: true });
  }
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("DESTINATION_UNWRITABLE", `Cannot use the directory ${path}: ${code}`, {
      hint: HINTS[code] ?? "Check that the directory can be written by the user that runs tbot",
      cause,
    });
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "Make the user that runs tbot the owner of the directory",
  EPERM: "Make the user that runs tbot the owner of the directory",
  EROFS: "The file system is mounted read-only: choose another path",
  ENOSPC: "The disk is full: free some space",
  EDQUOT: "The user's disk quota is used up: free some space",
  ENOTDIR: "A part of the path is a file: choose another path",
  EEXIST: "There is a file of that name: choose another path",
};
