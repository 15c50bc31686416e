import { AuditLog } from "../audit/audit_log.ts";
import type { AuditMode } from "../audit/audit_log.ts";
import { storeShipper } from "../audit/store_shipper.ts";
import type { Clock } from "../clock.ts";
import { IdentityError } from "../error.ts";
import { IssuerKeys } from "../join/mod.ts";
import type { Log } from "../log.ts";
import type { Store } from "../storage/store.ts";
import type { Cluster } from "./cluster.ts";
import { loadClusterKeys } from "./cluster_keys.ts";
import { LiveView } from "./live_view.ts";
import { HostStreams } from "./hosts/host_streams.ts";
import { Journal } from "./stream/journal.ts";
import { recordRestore } from "./_record_restore.ts";

/** The name of a cluster whose configuration gives none. */
export const DEFAULT_CLUSTER_NAME = "postern.localhost";

export interface OpenClusterOptions {
  readonly store: Store;
  /** The configured name; the stored one when absent. */
  readonly name?: string;
  /** The host that this is on, when several write to the store. */
  readonly host?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How audit events are recorded; strictly, and straight into the store, when absent. */
  readonly audit?: {
    readonly mode: AuditMode;
    readonly spool: string;
    readonly spoolLimit?: number;
    readonly queueLimit?: number;
  };
}

/** Opens the cluster that a store holds; a new store becomes a new cluster. */
export async function openCluster(options: OpenClusterOptions): Promise<Cluster> {
  const { store, clock, log } = options;
  const name = await settleName(store, options.name);
  const keys = await loadClusterKeys(store, name, clock.now());
  const view = await LiveView.open({ cluster: name, store, keys, clock, log });
  const journal = await Journal.open(store);
  const shipper = storeShipper({
    store,
    clock,
    privateKey: keys.audit.privateKey,
    host: options.host,
  });
  const { mode = "strict", ...files } = options.audit ?? {};
  const audit = await AuditLog.open({ cluster: name, clock, log, mode, ...files, shipper });
  await recordRestore(store, audit);
  return {
    name,
    store,
    get keys() {
      return view.keys;
    },
    view,
    journal,
    hosts: new HostStreams(clock),
    audit,
    issuers: new IssuerKeys(clock),
    clock,
    log,
  };
}

function settleName(store: Store, configured: string | undefined): Promise<string> {
  return store.update(async (tx) => {
    const stored = (await tx.get<{ name: string }>("settings", "cluster"))?.value.name;
    if (stored === undefined) {
      const name = configured ?? DEFAULT_CLUSTER_NAME;
      await tx.put("settings", "cluster", { name });
      return name;
    }
    if (configured !== undefined && configured !== stored) {
      throw new IdentityError(
        "CONFIG_INVALID",
        `Cannot open cluster "${configured}": the data directory holds cluster "${stored}"`,
        {
          hint: `Set auth_service.cluster_name to ${stored}, or use another teleport.data_dir; ` +
            "a cluster cannot be renamed, since its certificates carry its name",
        },
      );
    }
    return stored;
  });
}
