import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** The files below a directory that hold a text somewhere in their bytes; there must be files. */
export function filesWith(text: string, directory: string): string[] {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
  if (files.length === 0) throw new Error(`there are no files below ${directory}`);
  return files.filter((path) => readFileSync(path).includes(text));
}
