/** What a join by a bound keypair is answered with, and what the audit log says of it. */
import { IdentityError } from "../error.ts";
import { publicKeyFingerprint } from "../keys.ts";
import type { IssuedCertificates } from "./api.ts";
import type { Cluster, InstanceItem, KeypairItem, KeypairTokenItem } from "./cluster.ts";
import { botFields } from "./issue_recorded.ts";
import { issueIdentityCertificates, MAX_BOT_TTL, notAfter } from "./issuing.ts";
import { type JoinState, signJoinState } from "./join_documents.ts";

export interface JoinedByKeypair {
  readonly token: KeypairTokenItem;
  /** After the join. */
  readonly item: KeypairItem;
  readonly instance: InstanceItem;
  readonly recovered: boolean;
  readonly rotated: boolean;
  readonly adopted: boolean;
}

export interface TokenLock {
  readonly name: string;
  readonly message: string;
}

interface JoinFields {
  readonly type: "bot.join";
  readonly method: "bound_keypair";
  readonly "addr.remote": string;
}

/** Fields of a `bot.join` by this method. */
export function joinFields(remote: string): JoinFields {
  return {
    type: "bot.join",
    method: "bound_keypair",
    "addr.remote": remote,
  };
}

/** Certificates for a join that has been written down. */
export async function answerKeypairJoin(
  cluster: Cluster,
  { name, publicKey, ttl }: {
    readonly name: string;
    readonly publicKey: string;
    readonly ttl: number;
  },
  joined: JoinedByKeypair & { readonly remote: string },
): Promise<IssuedCertificates> {
  const { instance, item, token } = joined;
  const { bot, generation, instance: id } = instance;
  const { limit, mode } = token.rules.recovery;
  const boundKey = item.boundKey ?? "";
  const state: JoinState = {
    token: name,
    uid: item.uid,
    bot,
    instance: id,
    id: item.state ?? "",
    sequence: item.sequence,
    recoveries: item.recoveries,
    limit,
    mode,
    key: publicKeyFingerprint(boundKey),
  };
  const issued = await issueIdentityCertificates(cluster, {
    publicKey,
    claims: { kind: "bot", bot, instance: id, generation },
    notAfter: notAfter(cluster.clock.now(), Math.min(ttl, MAX_BOT_TTL)),
  });
  await record(cluster, name, joined);
  return {
    ...issued,
    keypair: {
      state: await signJoinState(cluster, state),
      boundKey,
      ...(mode === "standard" && { recoveriesLeft: Math.max(0, limit - item.recoveries) }),
    },
  };
}

async function record(
  { audit }: Cluster,
  name: string,
  { adopted, instance, item, recovered, remote, rotated, token }: JoinedByKeypair & {
    readonly remote: string;
  },
): Promise<void> {
  const common = { ...botFields(instance), token_name: name };
  const counted = {
    recovery_count: item.recoveries,
    recovery_mode: token.rules.recovery.mode,
  };
  const public_key = publicKeyFingerprint(item.boundKey ?? "");
  if (recovered) {
    await audit.append({
      type: "join_token.bound_keypair.recovery",
      code: "PBK01I",
      ...common,
      ...counted,
    });
  }
  if (rotated) {
    await audit.append({
      type: "join_token.bound_keypair.rotation",
      code: "PBK02I",
      ...common,
      public_key,
    });
  }
  await audit.append({
    ...joinFields(remote),
    ...common,
    code: "TJ001I",
    success: true,
    attributes: { public_key, sequence: item.sequence, ...counted, ...(adopted && { adopted }) },
  });
}

/** Says of what is locked already why it is; throws `LOCKED`. */
export async function refuseCopy(
  { audit }: Cluster,
  name: string,
  { found, item, lock, token }: {
    readonly token: KeypairTokenItem;
    readonly item: KeypairItem;
    readonly found: string;
    readonly lock: TokenLock | undefined;
  },
): Promise<never> {
  await audit.append({
    type: "join_token.bound_keypair.join_state_verification_failed",
    code: "PBK03W",
    ...botFields({ bot: token.bot, instance: item.instance ?? "" }),
    token_name: name,
    success: false,
    error: found,
  });
  await audit.append({
    type: "lock.created",
    code: "TLK00I",
    name: lock?.name,
    user: "system",
    target: { join_token: name },
    message: lock?.message,
  });
  throw new IdentityError(
    "LOCKED",
    `Cannot join as bot "${token.bot}": ${found}; the join token "${name}" is locked, since its ` +
      "keypair may have been copied",
    {
      hint:
        "Find out which machine is the copy. Then remove the lock, and set the token's recovery " +
        "mode to insecure until the right machine has joined",
    },
  );
}
