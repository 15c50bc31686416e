import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { StepFailed } from "./_stage.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = ["cli", "identity", "relay", "policy", "tools/build.ts", "package-lock.json"];
const PROGRAMS = ["tbot", "tsh-mcp", "app-agent"];

/** Whether a program in `dist/` is missing, or older than what it is made from. */
export function mustBuild(): boolean {
  const ending = process.platform === "win32" ? ".exe" : "";
  const programs = PROGRAMS.map((name) => join(root, "dist", `${name}${ending}`));
  if (!programs.every((path) => existsSync(path))) return true;
  const built = Math.min(...programs.map((path) => statSync(path).mtimeMs));
  return SOURCES.some((source) => newest(join(root, source)) > built);
}

/** Compiles the programs; their names and sizes. */
export function build(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["tools/build.ts"], {
    cwd: root,
    encoding: "utf8",
    timeout: 300_000,
  });
  if (status !== 0) throw new StepFailed(`the programs cannot be compiled:\n${stderr}`);
  return stdout;
}

function newest(path: string): number {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
