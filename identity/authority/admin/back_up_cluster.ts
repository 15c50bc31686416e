import { isAbsolute } from "node:path";
import { IdentityError } from "../../error.ts";
import { backUp } from "../../storage/back_up.ts";
import type { Cluster } from "../cluster.ts";
import type { BackupRequest, BackupSummary } from "./admin.ts";

/** Writes all that the store holds to a file of this host. */
export async function backUpCluster(
  cluster: Cluster,
  { file, force }: BackupRequest,
): Promise<BackupSummary> {
  if (!isAbsolute(file)) {
    throw new IdentityError("BAD_REQUEST", `The path of a backup has to be a full one: ${file}`);
  }
  await cluster.audit.flush();
  const { bytes } = await backUp(cluster.store, { file, force });
  await cluster.audit.append({
    type: "store.backup",
    code: "PST01I",
    name: file,
    user: "local-admin",
    bytes,
  });
  return { file, bytes };
}
