import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Clock } from "../../clock.ts";
import { IdentityError } from "../../error.ts";
import type { Log } from "../../log.ts";
import type { SealingKeys } from "../../storage/seal.ts";
import type { Admin } from "./admin.ts";
import { adminClient } from "./admin_client.ts";
import { findSocketPath } from "./_socket_path.ts";

export interface OpenAdminOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Asked when the store itself is opened: what its private keys are encrypted with. */
  readonly sealing?: () => Promise<SealingKeys | undefined>;
  /** The connection string of the database that authorities share, if they do. */
  readonly database?: () => Promise<string | undefined>;
}

export interface AdminConnection extends AsyncDisposable {
  readonly admin: Admin;
  /** The running authority's socket, or the store itself while nothing runs. */
  readonly via: "socket" | "store";
}

// An authority that starts or stops has the store and no socket for a moment; so has another tctl.
const ATTEMPTS = 50;
const PAUSE_MS = 100;

/**
 * The administration of the cluster in a data directory: by the running authority, or directly,
 * under the store's lock, when none runs. It never makes a cluster.
 */
export async function openAdmin(options: OpenAdminOptions): Promise<AdminConnection> {
  const { dataDir, clock } = options;
  if (options.database === undefined && !existsSync(join(dataDir, "cluster.sqlite"))) {
    throw noCluster(dataDir);
  }
  for (let attempt = 1;; attempt++) {
    const path = findSocketPath(dataDir);
    if (path !== undefined && await answers(path)) {
      return { admin: adminClient(path), via: "socket", [Symbol.asyncDispose]: async () => {} };
    }
    try {
      return await openDirectly(options);
    } catch (error) {
      const busy = error instanceof IdentityError && error.code === "DATA_DIR_IN_USE";
      if (!busy) throw error;
      if (attempt === ATTEMPTS) throw inUse(dataDir, error);
    }
    await clock.sleep(PAUSE_MS);
  }
}

async function openDirectly(options: OpenAdminOptions): Promise<AdminConnection> {
  const { openStore } = await import("../../storage/open_store.ts");
  const { hostId } = await import("../host_id.ts");
  const { openCluster } = await import("../open_cluster.ts");
  const { createAdmin } = await import("./create_admin.ts");
  const { dataDir, clock, log } = options;
  const sealing = await options.sealing?.();
  const database = await options.database?.();
  const now = () => clock.now();
  const store = await openStore({ directory: dataDir, database, now, sealing });
  const close = () => store.close();
  try {
    const audit = { mode: "strict", spool: join(dataDir, "audit.spool") } as const;
    if (!await store.get("settings", "cluster")) throw noCluster(dataDir);
    const host = await hostId(dataDir, store);
    const cluster = await openCluster({ store, host, clock, log, audit });
    const dispose = async () => {
      await cluster.audit.close();
      await close();
    };
    return { admin: createAdmin(cluster), via: "store", [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await close();
    throw error;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      socket.destroy();
      if (cause.code === "EACCES" || cause.code === "EPERM") {
        reject(
          new IdentityError("ACCESS_DENIED", `Cannot open ${path}: ${cause.code}`, {
            hint: "Run tctl as the user that runs app-agent",
            cause,
          }),
        );
      } else resolve(false);
    });
  });
}

function inUse(dataDir: string, cause: IdentityError): IdentityError {
  return new IdentityError(
    "DATA_DIR_IN_USE",
    `Cannot open the data directory ${dataDir}: another process is using it, and does not answer`,
    { hint: "If it is app-agent, its log says why; if it is another tctl, try again", cause },
  );
}

function noCluster(dataDir: string): IdentityError {
  return new IdentityError("NOT_FOUND", `There is no cluster in ${dataDir}`, {
    hint:
      "Run tctl on the host of the authority and as its user; name its configuration with -c, " +
      "or its data directory with --data-dir; `app-agent start` makes a new cluster",
  });
}
