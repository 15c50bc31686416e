/** Where the administration's socket is: below the data directory, or where that says. */
import { Buffer } from "node:buffer";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { IdentityError } from "../../error.ts";

// A socket's address holds 104 bytes on macOS and 108 on Linux.
const MAX_PATH_BYTES = 100;

/** A path to listen at, in a directory that is its owner's alone; what a crash left is removed. */
export function prepareSocketPath(dataDir: string): string {
  const { directory, socket, record } = places(dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  forgetSocketPath(dataDir);
  if (fits(socket)) return socket;
  // Nobody else can enter the directory, so nobody can put a socket of theirs in our place.
  const short = join(mkdtempSync(join(tmpdir(), "postern-")), "authority.sock");
  if (!fits(short)) {
    rmSync(dirname(short), { recursive: true });
    throw new IdentityError("CONFIG_INVALID", `Cannot listen at ${socket}: the path is too long`, {
      hint: "Use a shorter data directory, or a shorter TMPDIR",
    });
  }
  writeFileSync(record, short, { mode: 0o600 });
  return short;
}

/** The path to connect to; none when nobody can be listening. */
export function findSocketPath(dataDir: string): string | undefined {
  const { socket, record } = places(dataDir);
  return readIfThere(record) ?? (fits(socket) ? socket : undefined);
}

/** Removes the socket and the note that says where it is. */
export function forgetSocketPath(dataDir: string): void {
  const { socket, record } = places(dataDir);
  const elsewhere = readIfThere(record);
  if (elsewhere !== undefined) {
    removeSocket(elsewhere);
    // It goes only when it is empty: a damaged note must not cost anybody a directory.
    try {
      rmdirSync(dirname(elsewhere));
    } catch {
      // Then it stays, and does no harm.
    }
    rmSync(record, { force: true });
  }
  removeSocket(socket);
}

function places(dataDir: string): { directory: string; socket: string; record: string } {
  const directory = join(resolve(dataDir), "admin");
  const socket = join(directory, "authority.sock");
  return { directory, socket, record: `${socket}.path` };
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_PATH_BYTES;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8") || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function removeSocket(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (stat.isSocket()) return rmSync(path, { force: true });
  throw new IdentityError("CONFIG_INVALID", `Cannot listen at ${path}: it is not a socket`, {
    hint: "Remove the file, if you know that nothing needs it",
  });
}
