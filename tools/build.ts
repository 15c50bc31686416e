/**
 * Compiles the three programs into `dist/`: single files that need nothing beside them. Run by Bun:
 * `bun tools/build.ts [--target=bun-linux-arm64 …]`.
 */
import { spawn } from "node:child_process";
import { copyFile, mkdir, rm, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

/** Each program, and the name that it answers to besides its own. */
const PROGRAMS = [
  { name: "tbot", entry: "cli/tbot.ts", alias: undefined },
  { name: "tsh-mcp", entry: "cli/tsh_mcp.ts", alias: "tsh" },
  { name: "app-agent", entry: "cli/app_agent.ts", alias: "tctl" },
] as const;

const target = process.argv.slice(2).find((argument) => argument.startsWith("--target="));
const windows = target?.includes("windows") ?? process.platform === "win32";
const ending = windows ? ".exe" : "";

await mkdir(dist, { recursive: true });
for (const { name, entry, alias } of PROGRAMS) {
  const file = join(dist, `${name}${ending}`);
  await compile(join(root, entry), file);
  const { size } = await stat(file);
  console.log(`dist/${name}${ending}  ${(size / 1e6).toFixed(1)} MB`);
  if (alias === undefined) continue;
  const link = join(dist, `${alias}${ending}`);
  await rm(link, { force: true });
  // Windows lets only administrators make links.
  if (windows) await copyFile(file, link);
  else await symlink(`${name}${ending}`, link);
  console.log(`dist/${alias}${ending}  is ${name}`);
}

async function compile(entry: string, outfile: string): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    const bun = spawn(process.execPath, [
      "build",
      "--compile",
      "--minify",
      // Parsed code: a program then starts as if it were small. Top-level await needs ESM.
      "--bytecode",
      "--format=esm",
      // Both would be read from the working directory, which is no place to take orders from.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      ...(target === undefined ? [] : [target]),
      entry,
      `--outfile=${outfile}`,
    ], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    bun.on("error", reject);
    bun.on("exit", resolve);
  });
  if (code !== 0) throw new Error(`bun build ended with ${code} for ${entry}`);
}
