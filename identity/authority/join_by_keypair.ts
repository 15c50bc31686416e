/**
 * Joins a bot by a key that is bound to its join token. The machine proves each time that it holds
 * the key, and shows the join state of the time before: of two copies of one storage, the second to
 * come shows an old one, and the token is locked. With a certificate that is still good it goes on
 * as the instance that it is; without one it recovers, which is counted.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { lockedError } from "../access/locked.ts";
import { IdentityError } from "../error.ts";
import { normalizeBoundKey, verifyProof } from "../join/mod.ts";
import { normalizePublicKey, publicKeyFingerprint } from "../keys.ts";
import type { Transaction } from "../storage/store.ts";
import type { IssuedCertificates, KeypairJoin } from "./api.ts";
import { type Connection, identifyCaller } from "./caller.ts";
import type {
  BotItem,
  Cluster,
  InstanceItem,
  KeypairItem,
  KeypairTokenItem,
  LockItem,
  MethodTokenItem,
} from "./cluster.ts";
import {
  answerKeypairJoin,
  type JoinedByKeypair,
  joinFields,
  refuseCopy,
  type TokenLock,
} from "./join_by_keypair_answer.ts";
import { type Attempt, judgeKeypair, type Member, type Verdict } from "./join_by_keypair_rules.ts";
import { instancesOf, spendChallenge } from "./join_by_keypair_store.ts";
import { type Challenge, readChallenge, readJoinState } from "./join_documents.ts";
import { storeEpoch } from "./renew_bot.ts";

export async function joinByKeypair(
  cluster: Cluster,
  request: KeypairJoin,
  connection: Connection,
): Promise<IssuedCertificates> {
  const publicKey = normalizePublicKey(request.publicKey);
  const stored = await cluster.store.get<MethodTokenItem>("method_token", request.token);
  const token = isKeypair(stored?.value) ? stored.value : undefined;
  try {
    if (token === undefined) throw unknownToken();
    const proven = await prove(cluster, { ...request, publicKey });
    const member = await memberOf(cluster, token.bot, connection);
    const joined = await admit(cluster, request.token, { ...proven, member });
    return await answerKeypairJoin(cluster, { name: request.token, publicKey, ttl: request.ttl }, {
      ...joined,
      remote: connection.remote,
    });
  } catch (error) {
    if (error instanceof IdentityError) {
      await cluster.audit.append({
        ...joinFields(connection.remote),
        ...(token && { bot_name: token.bot, token_name: request.token }),
        code: "TJ001E",
        success: false,
        error: error.message,
      });
    }
    throw error;
  }
}

function isKeypair(item: MethodTokenItem | undefined): item is KeypairTokenItem {
  return item?.method === "bound_keypair";
}

/** What has been shown of a request before the store is asked: every signature is verified. */
interface Proven {
  readonly challenge: Challenge;
  readonly attempt: Omit<Attempt, "epoch" | "member" | "now">;
}

async function prove(cluster: Cluster, request: KeypairJoin): Promise<Proven> {
  const { challenge, next, publicKey, secret, state, token } = request;
  const key = normalizeBoundKey(request.boundKey);
  const nextKey = next && normalizeBoundKey(next.boundKey);
  const read = await readChallenge(cluster, challenge, token);
  const subject = { cluster: cluster.name, token, challenge, publicKey, state };
  // The key of now vouches for the next one, and that one shows that somebody holds it.
  await verifyProof(request.proof, key, { ...subject, nextKey });
  if (next && nextKey !== undefined) await verifyProof(next.proof, nextKey, subject);
  return {
    challenge: read,
    attempt: {
      key,
      nextKey,
      secret,
      state: state === undefined ? undefined : await readJoinState(cluster, state, token),
      certificateKey: publicKeyFingerprint(publicKey),
    },
  };
}

/** Who the caller is by a certificate of this bot's that is still good. */
async function memberOf(
  cluster: Cluster,
  bot: string,
  connection: Connection,
): Promise<Omit<Member, "stored"> | undefined> {
  if (!connection.peer) return undefined;
  const { claims } = await identifyCaller(cluster, connection, "bot");
  return claims.bot === bot ? claims : undefined;
}

async function admit(
  cluster: Cluster,
  name: string,
  { attempt, challenge, member }: Proven & { readonly member: Omit<Member, "stored"> | undefined },
): Promise<JoinedByKeypair> {
  const now = cluster.clock.now();
  const outcome = await cluster.store.update(async (tx) => {
    const token = (await tx.get<MethodTokenItem>("method_token", name))?.value;
    const stored = await tx.get<KeypairItem>("bound_keypair", name);
    if (!isKeypair(token) || stored === undefined) throw unknownToken();
    const { value: item, expires: ends } = stored;
    await demandStanding(tx, token.bot, name);
    const challenges = spendChallenge(item.challenges, challenge, now);
    const verdict = judgeKeypair(token.rules, item, {
      ...attempt,
      now,
      epoch: await storeEpoch(tx),
      member: member && await withStored(tx, token.bot, name, member),
    });
    return {
      token,
      item,
      verdict,
      ...await carryOut(tx, name, { now, token, item, challenges, ends, verdict }),
    };
  });
  const { item, token, verdict } = outcome;
  switch (verdict.kind) {
    case "refused":
      throw new IdentityError(
        verdict.code,
        `Cannot join as bot "${token.bot}": ${verdict.found}`,
        { hint: verdict.hint },
      );
    case "rotate":
      throw new IdentityError(
        "JOIN_ROTATION_REQUIRED",
        `Cannot join as bot "${token.bot}": its bound key has to be replaced now`,
        { hint: "tbot does this by itself, unless its key is a static one: replace that by hand" },
      );
    case "cloned":
      return await refuseCopy(cluster, name, {
        token,
        item,
        found: verdict.found,
        lock: outcome.lock,
      });
  }
  const { instance, next = item } = outcome;
  if (instance === undefined) throw unknownToken();
  const admitted = verdict.kind === "admitted";
  return {
    token,
    item: next,
    instance,
    recovered: admitted && verdict.member === undefined,
    rotated: admitted && verdict.rotated,
    adopted: admitted && verdict.adopted,
  };
}

interface Done {
  readonly instance?: InstanceItem | undefined;
  readonly next?: KeypairItem;
  readonly lock?: TokenLock;
}

/** Writes what a verdict means. */
async function carryOut(
  tx: Transaction,
  name: string,
  { challenges, ends, item, now, token, verdict }: {
    readonly now: Date;
    readonly token: KeypairTokenItem;
    readonly item: KeypairItem;
    readonly challenges: Readonly<Record<string, string>>;
    /** When the token ceases to exist. */
    readonly ends: Date | undefined;
    readonly verdict: Verdict;
  },
): Promise<Done> {
  const { bot } = token;
  const keep = (item: KeypairItem) =>
    tx.put("bound_keypair", name, item, ends ? { expires: ends } : {});
  switch (verdict.kind) {
    case "refused":
    case "rotate":
      return {};
    case "cloned": {
      const lock: TokenLock = { name: randomUUID(), message: CLONED };
      const instances = await instancesOf(tx, name, now);
      await tx.put(
        "lock",
        lock.name,
        {
          target: { token: { name, instances } },
          message: lock.message,
          created: now.toISOString(),
        } satisfies LockItem,
      );
      return { lock };
    }
    case "repeat": {
      const instance = await tx.get<InstanceItem>("instance", `${bot}/${item.instance}`);
      await keep({ ...item, challenges });
      return { instance: instance?.value };
    }
    case "admitted": {
      const { member, next } = verdict;
      const time = now.toISOString();
      const id = member?.instance ?? randomBytes(16).toString("hex");
      const previous = member ? member.stored?.previous : item.instance;
      const instance: InstanceItem = {
        joined: time,
        ...member?.stored,
        bot,
        instance: id,
        generation: (member?.generation ?? 0) + 1,
        key: next.certificateKey ?? "",
        renewed: time,
        method: "bound_keypair",
        token: name,
        ...(previous !== undefined && { previous }),
      };
      const kept: KeypairItem = { ...next, challenges, instance: id };
      await tx.put("instance", `${bot}/${id}`, instance);
      await keep(kept);
      return { instance, next: kept };
    }
  }
}

/** Inside the transaction: a lock of a moment ago holds. */
async function demandStanding(tx: Transaction, bot: string, token: string): Promise<void> {
  const locks = (await tx.list<LockItem>("lock")).map(({ value }) => value);
  const lock = locks.find(({ target }) => target.token?.name === token || target.bot === bot);
  if (lock) {
    const what = lock.target.bot === undefined ? `The join token "${token}"` : `Bot "${bot}"`;
    throw lockedError(`${what} is locked${lock.message === "" ? "" : `: ${lock.message}`}`);
  }
  if (await tx.get<BotItem>("bot", bot)) return;
  throw new IdentityError("JOIN_REFUSED", `Cannot join: bot "${bot}" does not exist`, {
    hint: `Create it with \`tctl bots add ${bot}\``,
  });
}

/** The member with what is stored of it; nobody if that is another token's instance. */
async function withStored(
  tx: Transaction,
  bot: string,
  token: string,
  { generation, instance }: Omit<Member, "stored">,
): Promise<Member | undefined> {
  const stored = (await tx.get<InstanceItem>("instance", `${bot}/${instance}`))?.value;
  return stored && stored.token !== token ? undefined : { instance, generation, stored };
}

const CLONED = "its keypair was used on two machines";

// Not by its name: what is none here may be the secret, in the wrong place.
function unknownToken(): IdentityError {
  return new IdentityError(
    "JOIN_REFUSED",
    "Cannot join: the cluster has no bound_keypair token of this name",
    { hint: "`tctl tokens ls` shows the tokens that there are; `token` in tbot's file names one" },
  );
}
