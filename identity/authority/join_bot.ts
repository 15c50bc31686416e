import { createHash, randomBytes } from "node:crypto";
import { IdentityError } from "../error.ts";
import { normalizePublicKey, publicKeyFingerprint } from "../keys.ts";
import type { Transaction } from "../storage/store.ts";
import type { IssuedCertificates, SecretJoin } from "./api.ts";
import type { BotItem, Cluster, InstanceItem, TokenItem } from "./cluster.ts";
import { botFields } from "./issue_recorded.ts";
import { issueIdentityCertificates, MAX_BOT_TTL, notAfter } from "./issuing.ts";

/** The name under which the store keeps a token that it never sees again. */
export function tokenItemName(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/**
 * Turns a one-time token into the first certificate of a new bot instance. The same token with the
 * same key answers again, so that a lost reply costs nothing; with another key it is refused.
 */
export async function joinBot(
  cluster: Cluster,
  request: SecretJoin,
  remote: string,
): Promise<IssuedCertificates> {
  const publicKey = normalizePublicKey(request.publicKey);
  const join = await cluster.store.update((tx) =>
    spendToken(tx, request.token, publicKeyFingerprint(publicKey), cluster.clock.now())
  ).catch(async (error: unknown) => {
    await recordRefusal(cluster, error, request, remote);
    throw error;
  });
  const { bot, instance } = join;
  const issued = await issueIdentityCertificates(cluster, {
    publicKey,
    claims: { kind: "bot", bot, instance, generation: 1 },
    notAfter: notAfter(cluster.clock.now(), Math.min(request.ttl, MAX_BOT_TTL)),
  });
  await cluster.audit.append({
    type: "bot.join",
    code: "TJ001I",
    ...botFields(join),
    method: request.method,
    token_name: tokenItemName(request.token),
    success: true,
    "addr.remote": remote,
  });
  return issued;
}

async function spendToken(
  tx: Transaction,
  token: string,
  key: string,
  now: Date,
): Promise<{ bot: string; instance: string }> {
  const name = tokenItemName(token);
  const item = await tx.get<TokenItem>("token", name);
  if (!item) {
    throw new IdentityError("JOIN_REFUSED", "Cannot join: the cluster does not know this token", {
      hint: "Check the token for a typing error, or create one with `tctl bots add`",
    });
  }
  const { value } = item;
  if (value.used) return repeatJoin(tx, value, key);
  if (new Date(value.expires) <= now) {
    throw new IdentityError(
      "JOIN_TOKEN_EXPIRED",
      `Cannot join as bot "${value.bot}": the token expired at ${value.expires}`,
      { hint: `Create a new token with \`tctl tokens add --type=bot --bot=${value.bot}\`` },
    );
  }
  if (!await tx.get<BotItem>("bot", value.bot)) {
    throw new IdentityError("JOIN_REFUSED", `Cannot join: bot "${value.bot}" does not exist`, {
      hint: `Create it with \`tctl bots add ${value.bot}\``,
    });
  }
  const instance = randomBytes(16).toString("hex");
  const time = now.toISOString();
  const joined: InstanceItem = {
    bot: value.bot,
    instance,
    generation: 1,
    key,
    joined: time,
    renewed: time,
  };
  await tx.put("instance", `${value.bot}/${instance}`, joined);
  const expires = item.expires === undefined ? {} : { expires: item.expires };
  await tx.put("token", name, { ...value, used: { key, instance } }, expires);
  return { bot: value.bot, instance };
}

async function repeatJoin(
  tx: Transaction,
  { bot, used }: TokenItem,
  key: string,
): Promise<{ bot: string; instance: string }> {
  const item = await tx.get<InstanceItem>("instance", `${bot}/${used?.instance}`);
  // Only the very join that was answered before: once renewed, the token is worth nothing.
  if (used?.key === key && item?.value.generation === 1) return { bot, instance: used.instance };
  throw new IdentityError(
    "JOIN_TOKEN_USED",
    `Cannot join as bot "${bot}": the token has been used already`,
    {
      hint: `If you did not use it, somebody else did: look at \`tctl bots instances ls\`. ` +
        `A new token comes from \`tctl tokens add --type=bot --bot=${bot}\``,
    },
  );
}

async function recordRefusal(
  cluster: Cluster,
  error: unknown,
  { method, token }: SecretJoin,
  remote: string,
): Promise<void> {
  if (!(error instanceof IdentityError)) return;
  const name = tokenItemName(token);
  // The hash of a token that is none here may be that of a secret for something else.
  const known = await cluster.store.get<TokenItem>("token", name);
  await cluster.audit.append({
    type: "bot.join",
    code: "TJ001E",
    method,
    ...(known && { bot_name: known.value.bot, token_name: name }),
    success: false,
    error: error.message,
    "addr.remote": remote,
  });
}
