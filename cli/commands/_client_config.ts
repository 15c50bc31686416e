/**
 * The configuration files of MCP clients, which belong to their users: what is not ours stays as it
 * is, and a file that cannot be changed without loss is not changed at all.
 */
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import path, { dirname, join } from "node:path";
import { IdentityError } from "../../identity/mod.ts";

/** `auto` keeps what the file has; `none` is `compact`. */
export type JsonFormat = "auto" | "pretty" | "compact" | "none";

/** What can be told of the machine without asking it. */
export interface ClientPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** The names in a folder; none if it is not there. */
  readonly list?: (folder: string) => readonly string[];
}

export interface ClientFile {
  readonly path: string;
  /** The member that holds the servers. */
  readonly key: "mcpServers" | "servers";
}

/** More is no client's configuration. */
const MAX_BYTES = 16 * 1024 * 1024;

/** The file of a client that is known by name, or at a path. */
export function clientFile(client: string, places: ClientPlaces): ClientFile {
  const { env, platform } = places;
  // By the system that is asked about: tests ask about all of them.
  const { isAbsolute, join, resolve, sep } = platform === "win32" ? path.win32 : path.posix;
  const home = (platform === "win32" ? env["USERPROFILE"] : env["HOME"]) ?? "";
  const settings = platform === "win32"
    ? env["APPDATA"] || join(home, "AppData", "Roaming")
    : platform === "darwin"
    ? join(home, "Library", "Application Support")
    : env["XDG_CONFIG_HOME"] || join(home, ".config");
  const known: Record<string, ClientFile> = {
    "claude": { path: join(settings, "Claude", "claude_desktop_config.json"), key: "mcpServers" },
    "claude-code": {
      path: join(env["CLAUDE_CONFIG_DIR"] || home, ".claude.json"),
      key: "mcpServers",
    },
    "cursor": { path: join(home, ".cursor", "mcp.json"), key: "mcpServers" },
    "vscode": { path: join(settings, "Code", "User", "mcp.json"), key: "servers" },
  };
  if (!Object.hasOwn(known, client)) {
    const path = isAbsolute(client) ? join(client) : resolve(client);
    return { path, key: path.split(sep).includes(".vscode") ? "servers" : "mcpServers" };
  }
  if (home === "") {
    const variable = platform === "win32" ? "USERPROFILE" : "HOME";
    throw refusal(client, `${variable} is not set`, "Name the file by its path instead");
  }
  const file = known[client]!;
  return client === "claude" && platform === "win32" ? packaged(file, home, places) : file;
}

/**
 * Claude Desktop from the Store is a package: what it writes below `%APPDATA%` goes to a folder of
 * its own, and what is not there it reads from the one that everybody sees.
 */
function packaged(file: ClientFile, home: string, { env, list = () => [] }: ClientPlaces) {
  const { basename, dirname, join } = path.win32;
  const packages = join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "Packages");
  const own = list(packages).filter((name) => /^Claude_/i.test(name)).sort()
    .map((name) => join(packages, name, "LocalCache", "Roaming", "Claude", basename(file.path)));
  const isThere = (each: string) => list(dirname(each)).includes(basename(each));
  const used = own.find(isThere) ?? (isThere(file.path) ? file.path : own[0] ?? file.path);
  return { ...file, path: used };
}

/** What becomes of the servers in the file; each function may change what it is given. */
export type ChangeServers = (servers: Record<string, unknown>) => void;

/** A file that was written, or would have come out as it was. */
export interface UpdatedFile {
  readonly path: string;
  /** Both as JSON with an indent; equal when nothing has changed. */
  readonly before: string;
  readonly after: string;
  /** Where the file of before is; absent if there was none, or nothing has changed. */
  readonly backup?: string;
}

/** Changes servers and keeps the rest of the file; what was there before is kept beside it. */
export async function updateClientFile(
  { path, key }: ClientFile,
  change: ChangeServers,
  format: JsonFormat,
): Promise<UpdatedFile> {
  // A symbolic link stays one, and its target is replaced.
  const target = await realpath(path).catch(() => path);
  try {
    const old = await readOld(target);
    const config = parse(old?.text ?? "", target);
    const servers = config[key] ?? {};
    if (!isObject(servers)) throw refusal(target, `its "${key}" is no object`);
    const before = old ? printed(config) : "";
    change(servers);
    config[key] = servers;
    const after = printed(config);
    const text = print(config, old?.text, format);
    if (text === old?.text) return { path: target, before, after };
    const backup = old && `${target}.postern.bak`;
    if (old && backup) await replace(backup, old.text, old.mode);
    await replace(target, text, old?.mode ?? 0o644);
    return { path: target, before, after, ...(backup !== undefined && { backup }) };
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw refusal(target, (cause as NodeJS.ErrnoException).code ?? String(cause), undefined, cause);
  }
}

async function readOld(path: string): Promise<{ text: string; mode: number } | undefined> {
  try {
    const { mode, size } = await stat(path);
    if (size > MAX_BYTES) throw refusal(path, `it has ${size} bytes`);
    return { text: await readFile(path, "utf8"), mode: mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parse(text: string, path: string): Record<string, unknown> {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refusal(path, "it is not JSON, or has comments", BY_HAND, cause);
  }
  if (!isObject(value)) throw refusal(path, "it is no JSON object", BY_HAND);
  // Duplicate keys, keys that are numbers and large numbers would not come out as they went in.
  if (JSON.stringify(value) !== withoutSpace(text)) {
    throw refusal(path, "it has parts that would be changed by writing it anew", BY_HAND);
  }
  return value;
}

const BY_HAND = "Add the entry by hand; without --client-config it is printed";

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON without the white space between its tokens. */
function withoutSpace(json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, "$1");
}

function printed(config: unknown): string {
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function print(config: unknown, old: string | undefined, format: JsonFormat): string {
  const isCompact = format === "compact" || format === "none" ||
    format === "auto" && old !== undefined && old.trim() !== "" && !old.trim().includes("\n");
  if (isCompact) return JSON.stringify(config);
  const indent = format === "auto" ? /^\s*\{\r?\n([ \t]+)/.exec(old ?? "")?.[1] : undefined;
  return `${JSON.stringify(config, undefined, indent ?? 2)}\n`;
}

/** Written beside and renamed, so that the file is the old one or the new one, and never half. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const fresh = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = await open(fresh, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => {});
    throw error;
  }
}

function refusal(path: string, found: string, hint?: string, cause?: unknown): IdentityError {
  return new IdentityError(
    "CONFIG_INVALID",
    `Cannot update the client configuration ${path}: ${found}`,
    { hint: hint ?? "Start the client once so that its folder is there, or name the file", cause },
  );
}
