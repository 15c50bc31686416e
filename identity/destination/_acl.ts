import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import type { DestinationSpec, Reader } from "./destination.ts";

/**
 * Lets readers in with POSIX access control lists, through the system's own `setfacl`: Node.js
 * cannot set them. Nothing runs when no reader is configured.
 */
export async function grantReaders(
  path: string,
  what: "file" | "directory",
  spec: Extract<DestinationSpec, { type: "directory" }>,
  log: Log,
): Promise<void> {
  if (spec.acls === "off" || spec.readers.length === 0) return;
  // Passing through a directory needs `x`; the list of its files stays the owner's.
  const permission = what === "file" ? "r" : "x";
  const entries = spec.readers.map((reader) => `${entry(reader)}:${permission}`).join(",");
  try {
    await promisify(execFile)("setfacl", ["--modify", entries, "--", path]);
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    const found = code === "ENOENT" ? "there is no setfacl" : stderr?.trim() || String(code);
    if (spec.acls === "required") {
      throw new IdentityError(
        "DESTINATION_UNWRITABLE",
        `Cannot let the readers of ${spec.path} in: ${found}`,
        {
          hint: "Install the package acl on a file system that has ACLs, or set `acls: off`",
          cause,
        },
      );
    }
    log.warn("readers were not let in", { destination: spec.path, found });
  }
}

function entry(reader: Reader): string {
  return "user" in reader ? `u:${reader.user}` : `g:${reader.group}`;
}
