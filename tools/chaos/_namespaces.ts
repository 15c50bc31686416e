// Runs a script of ours in namespaces of its own: network, mounts and processes. All of it ends, and
// its files go, with this process, however that ends.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The script that plays faults: how many, by which seed, and the longest outage in milliseconds. */
export const PLAY = fileURLToPath(new URL("./_play.ts", import.meta.url));

/** Root needs no user namespace; anybody else is root's equal in one of their own. */
const FLAGS = [
  ...process.getuid?.() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"],
  ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
];

/** What the runs need of the kernel, and of iproute2 and util-linux. */
const PROBE = `set -e
  mount -t tmpfs tmpfs /run
  ip netns add probe 2>/dev/null || { mkdir -p /run/netns; ip netns add probe; }
  ip link add hub type bridge
  ip link add here type veth peer name there netns probe
  tc qdisc add dev here root tbf rate 8000bit burst 40 limit 40
  nsenter --net=/run/netns/probe true`;

/** Why namespaces cannot be had here; false if they can. */
export function noNamespaces(): string | false {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  const { status, stderr, error } = spawnSync("unshare", [...FLAGS, "sh", "-c", PROBE], {
    encoding: "utf8",
  });
  if (status === 0) return false;
  return `no network namespaces with iproute2 here: ${(stderr || String(error)).trim()}`;
}

/** Runs a script with this runtime to its end; its exit code, or null when a signal ended it. */
export async function runInNamespaces(
  script: string,
  args: readonly string[],
  onLine: (line: string) => void = (line) => console.log(line),
): Promise<number | null> {
  const files = mkdtempSync(join(tmpdir(), "postern-chaos-"));
  // The database runs as another user, and has to get to its own.
  chmodSync(files, 0o711);
  // The shell takes in whatever loses its parent, as an init would.
  const child = spawn(
    "unshare",
    [...FLAGS, "sh", "-c", '"$0" "$@"; exit $?', process.execPath, script, ...args],
    { env: { ...process.env, TMPDIR: files }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const stop = () => void child.kill("SIGKILL");
  process.on("exit", stop).on("SIGINT", stop).on("SIGTERM", stop);
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  });
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject).once("close", (code) => resolve(code));
    });
  } finally {
    process.off("exit", stop).off("SIGINT", stop).off("SIGTERM", stop);
    if (process.env["KEEP"] === undefined) rmSync(files, { recursive: true, force: true });
    else onLine(`files: ${files}`);
  }
}
