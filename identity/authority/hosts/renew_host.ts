import { normalizePublicKey } from "../../keys.ts";
import { IdentityError } from "../../error.ts";
import type { HostRenewRequest, IssuedHost } from "../api.ts";
import type { Cluster, HostItem } from "../cluster.ts";
import type { HostCaller } from "./identify_host.ts";
import { issueHost } from "./issue_host.ts";

/** A new certificate for a host that still has a good one. */
export async function renewHost(
  cluster: Cluster,
  { host, role }: HostCaller,
  request: HostRenewRequest,
): Promise<IssuedHost> {
  const publicKey = normalizePublicKey(request.publicKey);
  const renewed = cluster.clock.now().toISOString();
  await cluster.store.update(async (tx) => {
    const item = await tx.get<HostItem>("host", host);
    if (!item) throw new IdentityError("ACCESS_DENIED", `Host ${host} does not exist any more`);
    const previousKey = item.value.publicKey;
    const renewal = { ...item.value, publicKey, previousKey, renewed } satisfies HostItem;
    await tx.put("host", host, renewal);
  });
  return await issueHost(cluster, { host, role, publicKey });
}
