import { execFile } from "node:child_process";
import { chmod, chown, lchown, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { IdentityError } from "../error.ts";
import type { Log } from "../log.ts";
import { grantReaders } from "./_acl.ts";
import type { DestinationSpec } from "./destination.ts";
import { checkPath } from "./directory.ts";

export interface InitOptions {
  readonly spec: Extract<DestinationSpec, { type: "directory" }>;
  /** Whom directory and files shall belong to; whoever runs this when absent. */
  readonly owner?: { readonly user: string; readonly group?: string } | undefined;
  /** The files that belong there; others are removed if that is given. */
  readonly keepOnly?: ReadonlySet<string> | undefined;
  readonly log: Log;
}

/**
 * Makes a directory ready for a bot that runs as another user: it is there, belongs to that user,
 * and lets readers through. Tells what it has done. Throws `DESTINATION_UNWRITABLE`.
 */
export async function initDirectory(options: InitOptions): Promise<string[]> {
  const { keepOnly, log, owner, spec } = options;
  const path = resolve(spec.path);
  const done: string[] = [];
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    if (made !== undefined) done.push(`made ${path}`);
    await checkPath(path, spec);
    // Before it is given away: from then on its new owner could put anything there.
    for (const name of await readdir(path)) {
      const file = join(path, name);
      const info = await lstat(file);
      if (keepOnly !== undefined && !keepOnly.has(name) && !info.isDirectory()) {
        await rm(file);
        done.push(`removed ${file}`);
      }
    }
    if (owner) done.push(await giveTo(path, owner));
    await chmod(path, 0o700);
    await grantReaders(path, "directory", spec, log);
    return done;
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    const { code = "unknown error" } = cause as NodeJS.ErrnoException;
    throw new IdentityError("DESTINATION_UNWRITABLE", `Cannot prepare ${path}: ${code}`, {
      hint: code === "EPERM"
        ? "Run it as root: only root may give files away"
        : "Check that the directory can be made and written",
      cause,
    });
  }
}

async function giveTo(
  path: string,
  { group, user }: NonNullable<InitOptions["owner"]>,
): Promise<string> {
  const uid = await idOf(["-u", user], user);
  const gid = group === undefined ? await idOf(["-g", user], user) : await groupId(group);
  for (const name of await readdir(path)) {
    const file = join(path, name);
    const info = await lstat(file);
    // A link, hard or symbolic, would give away a file that stands elsewhere.
    if (info.isFile() && info.nlink === 1) await lchown(file, uid, gid);
  }
  await chown(path, uid, gid);
  return `gave ${path} to ${user}${group === undefined ? "" : `:${group}`}`;
}

/** Asked of the system, as names may come from elsewhere than `/etc/passwd`. */
async function idOf(args: readonly string[], user: string): Promise<number> {
  return Number(await ask("id", args, () => unknown("user", user)));
}

async function groupId(group: string): Promise<number> {
  const entry = await ask("getent", ["group", group], () => unknown("group", group));
  return Number(entry.split(":")[2]);
}

/** What a program prints; the names that it is given begin with no hyphen. */
function ask(program: string, args: readonly string[], failure: () => Error): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], (error, stdout) => error ? reject(failure()) : resolve(stdout));
  });
}

function unknown(what: "user" | "group", name: string): IdentityError {
  return new IdentityError(
    "CONFIG_INVALID",
    `Cannot give files away: there is no ${what} "${name}"`,
    {
      hint: `Create the ${what} first, or correct the name`,
    },
  );
}
