import { randomUUID } from "node:crypto";
import { IdentityError } from "../error.ts";
import { normalizePublicKey, publicKeyFingerprint } from "../keys.ts";
import type { RestoredItem } from "../storage/restore.ts";
import type { Reader, Transaction } from "../storage/store.ts";
import type { BotClaims } from "../x509/claims.ts";
import type { IssuedCertificates, RenewRequest } from "./api.ts";
import type { Caller } from "./caller.ts";
import type { Cluster, InstanceItem, LockItem } from "./cluster.ts";
import { botFields } from "./issue_recorded.ts";
import { issueIdentityCertificates, MAX_BOT_TTL, notAfter } from "./issuing.ts";

type Outcome =
  | { readonly kind: "renewed"; readonly generation: number }
  | { readonly kind: "adopted"; readonly generation: number; readonly stored: number }
  | { readonly kind: "cloned"; readonly stored: number; readonly lock: string }
  | { readonly kind: "gone" };

type Renewal = Outcome | { readonly kind: "joins"; readonly method: string };

/**
 * Renews a bot's own certificate: one generation on, by compare-and-set. A certificate of an older
 * generation means that two machines hold the same credentials, and locks the instance; the one
 * exception is a reply that got lost, which shows by the same new key.
 */
export async function renewBot(
  cluster: Cluster,
  { claims }: Caller<BotClaims>,
  request: RenewRequest,
): Promise<IssuedCertificates> {
  const publicKey = normalizePublicKey(request.publicKey);
  const key = publicKeyFingerprint(publicKey);
  const now = cluster.clock.now();
  const outcome = await cluster.store.update((tx) => renew(tx, claims, key, now));
  switch (outcome.kind) {
    case "gone":
      throw new IdentityError(
        "ACCESS_DENIED",
        `This instance of bot "${claims.bot}" does not exist any more`,
        { hint: "Join again with a new token" },
      );
    case "joins":
      throw new IdentityError(
        "ACCESS_DENIED",
        `This instance of bot "${claims.bot}" joined by ${outcome.method}, and does not renew`,
        { hint: `Join again by ${outcome.method}, with a fresh proof` },
      );
    case "cloned":
      return await refuseClone(cluster, claims, outcome);
    case "adopted":
      await cluster.audit.append({
        ...botFields(claims),
        type: "bot.generation_adopted",
        code: "PBG001W",
        certificate_generation: claims.generation,
        stored_generation: outcome.stored,
      });
  }
  return await issueIdentityCertificates(cluster, {
    publicKey,
    claims: { ...claims, generation: outcome.generation },
    notAfter: notAfter(now, Math.min(request.ttl, MAX_BOT_TTL)),
  });
}

async function renew(
  tx: Transaction,
  claims: BotClaims,
  key: string,
  now: Date,
): Promise<Renewal> {
  const item = await tx.get<InstanceItem>("instance", `${claims.bot}/${claims.instance}`);
  const method = item?.value.method;
  return method === undefined ? await advance(tx, claims, key, now) : { kind: "joins", method };
}

/** One generation on; or what is in the way. */
export async function advance(
  tx: Transaction,
  { bot, instance, generation }: BotClaims,
  key: string,
  now: Date,
): Promise<Outcome> {
  const name = `${bot}/${instance}`;
  const item = await tx.get<InstanceItem>("instance", name);
  if (!item) return { kind: "gone" };
  const stored = item.value.generation;
  if (generation === stored - 1 && key === item.value.key) {
    return { kind: "renewed", generation: stored };
  }
  // Above the stored one only after the store went back in time: the signature vouches for it. It
  // goes on from there, so one that is above it again in the same epoch is another holder.
  const ahead = generation > stored;
  const epoch = ahead ? await storeEpoch(tx) : "";
  if (generation < stored || (ahead && item.value.adopted === epoch)) {
    const lock = randomUUID();
    await tx.put("lock", lock, cloneLock(instance, now));
    return { kind: "cloned", stored, lock };
  }
  await tx.put("instance", name, {
    ...item.value,
    generation: generation + 1,
    key,
    renewed: now.toISOString(),
    ...(ahead && { adopted: epoch }),
  });
  return generation === stored
    ? { kind: "renewed", generation: generation + 1 }
    : { kind: "adopted", generation: generation + 1, stored };
}

/** Anew at each restore; without one, the store may have gone back by other ways, once. */
export async function storeEpoch(tx: Reader): Promise<string> {
  return (await tx.get<RestoredItem>("settings", "restored"))?.value.epoch ?? "first";
}

const CLONED = "its credentials were used on two machines";

function cloneLock(instance: string, now: Date): LockItem {
  return {
    target: { instance },
    message: CLONED,
    created: now.toISOString(),
  };
}

export async function refuseClone(
  cluster: Cluster,
  claims: BotClaims,
  { stored, lock }: { readonly stored: number; readonly lock: string },
): Promise<never> {
  await cluster.audit.append({
    ...botFields(claims),
    type: "bot.generation_mismatch",
    code: "TCB00W",
    certificate_generation: claims.generation,
    stored_generation: stored,
  });
  await cluster.audit.append({
    type: "lock.created",
    code: "TLK00I",
    name: lock,
    user: "system",
    target: { bot_instance_id: claims.instance },
    message: CLONED,
  });
  throw new IdentityError(
    "LOCKED",
    `Cannot renew bot "${claims.bot}": this is generation ${claims.generation}, and generation ` +
      `${stored} has been issued; the instance is locked, since its credentials may have been copied`,
    { hint: "Find out which machine is the copy, then join anew with a new token" },
  );
}
