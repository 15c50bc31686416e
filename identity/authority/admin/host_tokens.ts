/** Tokens that agents and relays join with: any number of hosts, until they expire. */
import { randomBytes } from "node:crypto";
import type { Cluster } from "../cluster.ts";
import { tokenItemName } from "../join_bot.ts";
import type { AddHostTokenRequest, NewHostToken } from "./admin.ts";
import { recordChange, tokenFields } from "./_audit.ts";
import { clusterStatus } from "./status.ts";
import { hostTokenItem } from "./_token_item.ts";
import { ADDED_TOKEN_TTL, demandNewValue, TOKEN_BYTES } from "./tokens.ts";

export async function addHostToken(
  cluster: Cluster,
  { roles, apps, ttl = ADDED_TOKEN_TTL, value }: AddHostTokenRequest,
): Promise<NewHostToken> {
  const token = value ?? randomBytes(TOKEN_BYTES).toString("hex");
  const name = tokenItemName(token);
  const end = new Date(cluster.clock.now().getTime() + ttl * 1000);
  const item = hostTokenItem({ roles, ...(apps && { apps }) }, end);
  await cluster.store.update(async (tx) => {
    if (value !== undefined) await demandNewValue(tx, value);
    await tx.put("host_token", name, item.value, { expires: item.expires });
  });
  await recordChange(cluster, "created", "token", name, tokenFields(item.value));
  const { caPins, publicAddress } = await clusterStatus(cluster);
  return {
    ...item.value,
    token,
    ttl,
    caPins,
    ...(publicAddress !== undefined && { publicAddress }),
  };
}
