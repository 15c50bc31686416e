import { X509Certificate } from "node:crypto";
import { caPin } from "../../pin.ts";
import { VERSION } from "../../version.ts";
import type { Cluster } from "../cluster.ts";
import { trustedCertificates } from "../cluster_keys.ts";
import { rotationStatus } from "../rotate_ca.ts";
import type { ClusterStatus } from "./admin.ts";

/** The cluster's name, version, CAs, and what tbot needs to trust it. */
export async function clusterStatus({ name, keys, store }: Cluster): Promise<ClusterStatus> {
  const address = await store.get<{ address: string }>("settings", "public_address");
  return {
    cluster: name,
    version: VERSION,
    cas: (["host", "user"] as const).map((kind) => ({
      kind,
      expires: new Date(new X509Certificate(keys[kind].certificate).validTo).toISOString(),
      rotation: rotationStatus(keys, kind),
    })),
    caPins: trustedCertificates(keys, "host").map(caPin),
    ...(address === undefined ? {} : { publicAddress: address.value.address }),
  };
}
