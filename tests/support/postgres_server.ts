// A PostgreSQL of this test process: made and started at the first need of it, ended with it.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
} from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";

const BINARIES = findBinaries();

/** Why tests that need PostgreSQL cannot run here; false if they can. */
export const NO_POSTGRES: string | false = BINARIES === undefined
  ? "there is no PostgreSQL on this machine (apt-get install postgresql)"
  : false;

export interface PostgresServer {
  readonly port: number;
  /** The file of its own certificate, for `localhost` alone, when it has one. */
  readonly certificate: string | undefined;
  /** The connection string of a new, empty database. */
  newDatabase(): Promise<string>;
  /** Ends it as `pg_ctl stop -m immediate` would, and starts it on the same port. */
  stop(): void;
  start(): void;
}

let shared: Promise<PostgresServer> | undefined;

/** The server that tests of this process share; they leave it running. */
export function sharedPostgres(): Promise<PostgresServer> {
  return shared ??= startPostgres();
}

/** Another machine than this one. */
export interface Place {
  readonly address: string;
  /** What a command begins with that is to run there. */
  readonly enter: readonly string[];
}

/** A server of its own, for a test that stops it. */
export async function startPostgres(
  options: { readonly tls?: boolean; readonly at?: Place } = {},
): Promise<PostgresServer> {
  const root = mkdtempSync(join(tmpdir(), "postern-pg-"));
  const data = join(root, "data");
  const tls = options.tls ? makeCertificate(root) : undefined;
  const user = unprivileged();
  if (user) {
    for (const path of [root, ...tls ? [tls.key, tls.certificate] : []]) {
      chownSync(path, user.uid, user.gid);
    }
  }
  chmodSync(root, 0o700);
  const run = (name: string, args: readonly string[]) => {
    // Only who may enter a place may become another user there.
    const [command = "", ...rest] = [
      ...options.at ? [...options.at.enter, ...user ? becoming(user) : []] : [],
      ...[join(BINARIES!, name), ...args],
    ];
    const { status, stdout, stderr } = spawnSync(command, rest, {
      ...options.at ? {} : user,
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${name} failed: ${stdout}${stderr}`);
  };
  run("initdb", ["-D", data, "-U", "postern", "-A", "trust", "-E", "UTF8", "--no-sync"]);
  const address = options.at?.address ?? "127.0.0.1";
  if (options.at) appendFileSync(join(data, "pg_hba.conf"), "host all all samenet trust\n");
  const port = await freePort();
  const start = () => {
    const settings = [
      // Each authority of the model takes four, and those that were replaced stay.
      ...[`listen_addresses=${address}`, "unix_socket_directories=", "max_connections=400"],
      ...["fsync=off", "full_page_writes=off"],
      ...tls ? ["ssl=on", `ssl_cert_file=${tls.certificate}`, `ssl_key_file=${tls.key}`] : [],
    ].flatMap((setting) => ["-c", setting]);
    run("pg_ctl", [
      "start",
      ...["-D", data, "-w", "-t", "60", "-l", join(root, "log")],
      ...["-o", `-p ${port} ${settings.join(" ")}`],
    ]);
  };
  const stop = () => run("pg_ctl", ["stop", "-D", data, "-m", "immediate", "-w"]);
  removeAfterUs(root, data);
  start();
  return {
    port,
    certificate: tls?.certificate,
    start,
    stop,
    newDatabase: async () => {
      const name = `t${randomBytes(6).toString("hex")}`;
      const sql = postgres(`postgresql://postern@${address}:${port}/postgres`, { max: 1 });
      try {
        await sql.unsafe(`CREATE DATABASE ${name}`);
      } finally {
        await sql.end();
      }
      return `postgresql://postern@${address}:${port}/${name}`;
    },
  };
}

/**
 * Ends the server and removes its files once this process is no more, however it has ended: the
 * runtimes of tests call no handlers at their end.
 */
function removeAfterUs(root: string, data: string): void {
  const script = `while kill -0 "$1"; do sleep 1; done
    [ -f "$2/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$2/postmaster.pid")"
    sleep 1
    rm -rf "$3"`;
  // In a session of its own: whoever ends us by our process group is not to end it as well.
  const start = `session=$(command -v setsid)
    $session sh -c '${script}' - "$@" </dev/null >/dev/null 2>&1 &`;
  spawnSync("sh", ["-c", start, "-", `${process.pid}`, data, root], { stdio: "ignore" });
}

function makeCertificate(folder: string): { key: string; certificate: string } {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
    ...["-keyout", key, "-out", certificate],
  ], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl failed: ${made.stderr}`);
  chmodSync(key, 0o600);
  return { key, certificate };
}

function findBinaries(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian)
    ? readdirSync(debian).sort((a, b) => Number(b) - Number(a))
    : [];
  const folders = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env["PATH"] ?? "").split(":"),
  ];
  return folders.find((folder) =>
    folder !== "" &&
    ["initdb", "pg_ctl", "postgres"].every((name) => existsSync(join(folder, name)))
  );
}

/** Whom it runs as when we are root, since initdb refuses that. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (option: string, name: string) =>
    Number(spawnSync("id", [option, name], { encoding: "utf8" }).stdout.trim() || NaN);
  const uid = id("-u", "postgres");
  return Number.isNaN(uid) ? { uid: 65534, gid: 65534 } : { uid, gid: id("-g", "postgres") };
}

function becoming({ uid, gid }: { uid: number; gid: number }): string[] {
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
