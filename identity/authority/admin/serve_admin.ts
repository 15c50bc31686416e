import { chmodSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { IdentityError } from "../../error.ts";
import { silentLog } from "../../log.ts";
import type { Log } from "../../log.ts";
import type { Admin } from "./admin.ts";
import { adminApi } from "./api.ts";
import { forgetSocketPath, prepareSocketPath } from "./_socket_path.ts";

export interface AdminServer extends AsyncDisposable {
  /** The path of the Unix socket. */
  readonly path: string;
  close(): Promise<void>;
}

const IDLE_MS = 60_000;

/**
 * Serves the administration at a Unix socket that its owner alone can open. The caller holds the
 * store's lock, so a socket that is there already belongs to nobody.
 */
export async function serveAdmin(
  admin: Admin,
  dataDir: string,
  log: Log = silentLog,
): Promise<AdminServer> {
  const path = prepareSocketPath(dataDir);
  const api = adminApi(admin, log);
  const server = createServer(getRequestListener((request) => api.fetch(request)));
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.once("close", () => open.delete(socket));
  });
  await listen(server, path);
  chmodSync(path, 0o600);
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
    forgetSocketPath(dataDir);
  };
  return { path, close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const problem = cause.code ?? cause.message;
      reject(
        new IdentityError("CONFIG_INVALID", `Cannot listen at ${path}: ${problem}`, {
          hint: "Check that the file system of the data directory can hold sockets",
          cause,
        }),
      );
    });
    server.listen(path, resolve);
  });
}
