// Runs a command with the project's own Bun and Deno in front of the PATH, after installing what
// package-lock.json names if that has not been done yet. Plain JavaScript: a fresh machine has
// Node.js and npm only, and Node.js 20 does not read TypeScript.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");

install();
const [command, ...args] = process.argv.slice(2);
const path = [runtime("@oven", "bin", "bun"), runtime("@deno", "", "deno"), process.env.PATH ?? ""];
const child = spawn(command, args, {
  stdio: "inherit",
  shell: process.platform === "win32",
  env: {
    ...process.env,
    PATH: path.join(delimiter),
    DENO_NO_UPDATE_CHECK: "1",
    DO_NOT_TRACK: "1",
  },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (cause) => {
  console.error(`error: cannot start ${command}: ${cause.message}`);
  process.exitCode = 127;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
});

// Install scripts stay off: none is needed, since both runtimes are found inside their own
// platform's package, and npm 11 would stop to ask for each.
function install() {
  const lock = readFileSync(join(root, "package-lock.json"));
  const digest = createHash("sha256").update(lock).digest("hex");
  const stamp = join(modules, ".postern-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    // npm would empty the folder behind it, under whoever else uses it.
    console.error("error: node_modules is a link, and has not what package-lock.json names");
    console.error("hint: Remove the link, or run npm ci where it leads to");
    process.exit(1);
  }
  console.error("Installing dependencies (npm ci) …");
  const npm = spawnSync("npm", [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    console.error("error: npm ci failed; see its message above");
    process.exit(npm.status ?? 1);
  }
  writeFileSync(stamp, digest);
}

/** The folder of a runtime's executable inside the one platform package that npm chose. */
function runtime(scope, folder, name) {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  const scoped = join(modules, scope);
  for (const platform of existsSync(scoped) ? readdirSync(scoped) : []) {
    const bin = join(scoped, platform, folder);
    if (!existsSync(join(bin, file))) continue;
    // On Linux npm may install a glibc and a musl build side by side: take the one that runs.
    if (spawnSync(join(bin, file), ["--version"], { stdio: "ignore" }).status === 0) return bin;
  }
  console.error(
    `error: no ${name} for ${process.platform}-${process.arch} in node_modules/${scope}`,
  );
  console.error("hint: run `npm ci` without --omit=optional");
  process.exit(1);
}
