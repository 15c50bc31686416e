/** Reading what `policy` commands are pointed at: files, and folders of them. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { IdentityError } from "../../identity/mod.ts";
import type { CatalogueTool } from "../../policy/lint/mod.ts";

export interface TextFile {
  readonly file: string;
  readonly text: string;
}

const ENDINGS = /\.(?:ya?ml|json)$/;

/** The texts of `paths` in their order; a folder stands for the YAML and JSON files below it. */
export async function readTexts(
  paths: readonly string[],
  isWanted: (name: string) => boolean = () => true,
): Promise<TextFile[]> {
  const files: string[] = [];
  for (const path of paths) {
    const entry = await reading(path, () => stat(path));
    files.push(...entry.isDirectory() ? await filesBelow(path, isWanted) : [path]);
  }
  if (files.length === 0) {
    throw new IdentityError("BAD_REQUEST", `Cannot find a file in ${paths.join(", ")}`, {
      hint: "Name files, or folders with files that end in .yaml, .yml or .json",
    });
  }
  return await Promise.all(files.map(async (file) => ({ file, text: await readText(file) })));
}

export function readText(file: string): Promise<string> {
  return reading(file, () => readFile(file, "utf8"));
}

async function filesBelow(folder: string, isWanted: (name: string) => boolean): Promise<string[]> {
  const entries = await reading(folder, () => readdir(folder, { withFileTypes: true }));
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...await filesBelow(path, isWanted));
    else if (entry.isFile() && ENDINGS.test(entry.name) && isWanted(entry.name)) found.push(path);
  }
  return found;
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("BAD_REQUEST", `Cannot read ${path}: ${code}`, {
      hint: code === "ENOENT" ? "Check the path" : "Check that the file may be read",
      cause,
    });
  }
}

/** The tools of `tools/list`: the result, the whole answer, or the list alone. */
export async function readTools(file: string): Promise<CatalogueTool[]> {
  const text = await readText(file);
  try {
    const json = JSON.parse(text);
    const list: unknown = Array.isArray(json) ? json : json?.tools ?? json?.result?.tools;
    if (Array.isArray(list) && list.every(isTool)) return list;
  } catch {
    // Said below.
  }
  throw new IdentityError("BAD_REQUEST", `Cannot read tools from ${file}: it holds no list`, {
    hint: "Give the JSON that a server answers to tools/list",
  });
}

function isTool(value: unknown): value is CatalogueTool {
  return typeof value === "object" && value !== null && "name" in value &&
    typeof value.name === "string";
}
