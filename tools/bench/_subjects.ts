// The ways from a client to a server that are measured beside each other.
import { type ChildProcess, spawnSync } from "node:child_process";
import net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../tests/support/cluster_process.ts";
import { TOOLS } from "./_path_measure.ts";
import { endGroup, spawnGroup } from "./_processes.ts";

/** A way to a server. */
export interface Subject {
  readonly name: string;
  /** Starts what listens, if anything does. `command` is what a client then starts. */
  open(): Promise<{ readonly command: readonly string[]; readonly close: () => void }>;
}

/** The server that all ways lead to. */
export const ECHO: readonly [string, string, string] = [
  process.execPath,
  fileURLToPath(new URL("./_echo_server.mjs", import.meta.url)),
  String(TOOLS),
];

/** A way that needs nothing but the command. */
export function plain(name: string, command: readonly string[]): Subject {
  return { name, open: () => Promise.resolve({ command, close: () => {} }) };
}

/** TLS 1.3 with certificates on both sides and nothing else, in C: what no gate can do without. */
export function socat(directory: string): Subject | string {
  const [key, certificate] = [join(directory, "floor.key"), join(directory, "floor.pem")];
  if (spawnSync("socat", ["-V"]).status !== 0) return "socat is not on the PATH";
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...[...names, "-days", "1", "-keyout", key, "-out", certificate],
  ]);
  if (made.status !== 0) return "openssl cannot make a certificate for socat";
  const tls = `cert=${certificate},key=${key},cafile=${certificate},verify=1,nodelay`;
  return {
    name: "socat mTLS",
    async open() {
      const port = await freePort();
      const listen = `OPENSSL-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,${tls}`;
      const close = await serve(
        ["socat", BLOCK, listen, `EXEC:${ECHO.join(" ")}`],
        port,
        directory,
      );
      return { command: ["socat", BLOCK, "STDIO", `OPENSSL:127.0.0.1:${port},${tls}`], close };
    },
  };
}
/** Its default of 8 kB would be no floor for large messages. */
const BLOCK = "-b65536";

/** Starts what listens on a port, and waits until it does. */
export async function serve(
  command: readonly string[],
  port: number,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<() => void> {
  const child = spawnGroup(command, {
    cwd,
    stdio: "ignore",
    env: { ...process.env, ...env },
  });
  try {
    await listening(child, port);
  } catch (error) {
    endGroup(child);
    throw new Error(`${command.slice(0, 2).join(" ")} does not listen`, { cause: error });
  }
  return () => endGroup(child);
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const end = Date.now() + START_MS;
  while (!await accepts(port)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (Date.now() > end) throw new Error(`nothing after ${START_MS} ms`);
    await sleep(20);
  }
}
const START_MS = 20_000;

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", () => settle(true));
    socket.on("error", () => settle(false));
  });
}
