/** What the cluster keeps of a join token of the method `bound_keypair` beside its rules. */
import { randomBytes } from "node:crypto";
import { toAuthorizedKey } from "../../ssh/mod.ts";
import type { Transaction } from "../../storage/store.ts";
import type { KeypairItem, MethodTokenItem } from "../cluster.ts";
import { storeEpoch } from "../renew_bot.ts";

const SECRET_BYTES = 16;

/**
 * Sees to it that a token that is written has what its method needs, and nothing that it does not.
 * What has become of it stays, however often its rules are written anew; until a key is bound there
 * is a secret to register with, unless a key was registered beforehand.
 */
export async function settleKeypair(
  tx: Transaction,
  name: string,
  token: MethodTokenItem,
  { expires, secret }: { readonly secret: string | undefined; readonly expires: Date | undefined },
): Promise<void> {
  if (token.method !== "bound_keypair") return void await tx.delete("bound_keypair", name);
  const epoch = await storeEpoch(tx);
  const stored = (await tx.get<KeypairItem>("bound_keypair", name))?.value ?? {
    uid: randomBytes(16).toString("hex"),
    recoveries: 0,
    sequence: 0,
  };
  const { secret: before, secretEpoch, ...kept } = stored;
  const usable = secretEpoch === epoch ? before : undefined;
  const settled: KeypairItem = kept.boundKey !== undefined || token.rules.initialKey !== undefined
    ? kept
    : {
      ...kept,
      secret: secret ?? usable ?? randomBytes(SECRET_BYTES).toString("hex"),
      secretEpoch: epoch,
    };
  await tx.put("bound_keypair", name, settled, expires ? { expires } : {});
}

/** `status.bound_keypair` of the resource, in the original's words. */
export function keypairStatus(
  { boundKey, instance, recoveredAt, recoveries, rotatedAt, secret }: KeypairItem,
  secrets: boolean,
): object {
  return {
    ...(secrets && secret !== undefined && { registration_secret: secret }),
    ...(boundKey !== undefined && { bound_public_key: toAuthorizedKey(boundKey) }),
    ...(instance !== undefined && { bound_bot_instance_id: instance }),
    recovery_count: recoveries,
    ...(recoveredAt !== undefined && { last_recovered_at: recoveredAt }),
    ...(rotatedAt !== undefined && { last_rotated_at: rotatedAt }),
  };
}
