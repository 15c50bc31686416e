/** One-time join tokens: the store knows their hashes only. */
import { randomBytes } from "node:crypto";
import { IdentityError } from "../../error.ts";
import type { Item, Reader, Transaction } from "../../storage/store.ts";
import type { Cluster, HostTokenItem, MethodTokenItem, TokenItem } from "../cluster.ts";
import { tokenItemName } from "../join_bot.ts";
import type { AddTokenRequest, NewToken, TokenRef, TokenSummary } from "./admin.ts";
import { recordChange, tokenFields } from "./_audit.ts";
import { requireBot } from "./_names.ts";
import { tokenSchema } from "./_resource_schemas.ts";
import { DEFAULT_TOKEN_TTL, tokenItem } from "./_token_item.ts";

export const TOKEN_BYTES = 16;
/** Fewer digits of an id could name another token by accident. */
const MIN_ID_DIGITS = 8;
/** What `tctl tokens add` gives in the original. */
export const ADDED_TOKEN_TTL = 1800;
/** Kinds of item that are tokens whose names are secrets. */
const SECRET_KINDS = ["token", "host_token"] as const;

/** Writes a new random token for a bot that the caller has checked. */
export async function putNewToken(
  tx: Transaction,
  now: Date,
  { bot, ttl = DEFAULT_TOKEN_TTL, value }: AddTokenRequest,
): Promise<NewToken> {
  const token = value ?? randomBytes(TOKEN_BYTES).toString("hex");
  const item = tokenItem(bot, new Date(now.getTime() + ttl * 1000));
  await tx.put("token", tokenItemName(token), item.value, { expires: item.expires });
  return { bot, token, ttl, expires: item.value.expires };
}

export async function addToken(cluster: Cluster, request: AddTokenRequest): Promise<NewToken> {
  const { value } = request;
  const token = await cluster.store.update(async (tx) => {
    await requireBot(tx, request.bot);
    if (value !== undefined) await demandNewValue(tx, value);
    return putNewToken(tx, cluster.clock.now(), { ttl: ADDED_TOKEN_TTL, ...request });
  });
  await recordToken(cluster, token);
  return token;
}

export function recordToken(
  cluster: Cluster,
  token: Pick<NewToken, "bot" | "expires" | "token">,
): Promise<void> {
  return recordChange(
    cluster,
    "created",
    "token",
    tokenItemName(token.token),
    tokenFields(token),
  );
}

/** A secret that somebody has chosen: long enough, and nobody else's. */
export async function demandNewValue(tx: Reader, value: string): Promise<void> {
  const parsed = tokenSchema.shape.metadata.shape.name.safeParse(value);
  if (parsed.success) {
    for (const kind of SECRET_KINDS) {
      if (!await tx.get(kind, tokenItemName(value))) continue;
      throw new IdentityError("ALREADY_EXISTS", "this token already exists", {
        hint: "Choose another value, or leave it out for a random one",
      });
    }
    return;
  }
  throw new IdentityError(
    "BAD_REQUEST",
    `Cannot use this value as a token: ${parsed.error.issues[0]?.message}`,
    { hint: "Leave it out for a random one" },
  );
}

export async function listTokens({ store, clock }: Cluster): Promise<TokenSummary[]> {
  const methods = (await store.list<MethodTokenItem>("method_token")).map(summarizeMethod);
  const secrets = await store.list<TokenItem>("token");
  const hosts = await store.list<HostTokenItem>("host_token");
  const now = clock.now();
  return [
    ...methods,
    ...hosts.map((item) => summarizeHosts(item, now)),
    ...secrets.map((item) => summarize(item, now)),
  ];
}

export async function removeToken(cluster: Cluster, { token }: TokenRef): Promise<TokenSummary> {
  const method = await cluster.store.update(async (tx) => {
    const item = await tx.get<MethodTokenItem>("method_token", token);
    if (item) await tx.delete("method_token", token);
    await tx.delete("bound_keypair", token);
    return item;
  });
  if (method) {
    await recordChange(cluster, "deleted", "token", token, { bot_name: method.value.bot });
    return summarizeMethod(method);
  }
  const item = await cluster.store.update(async (tx) => {
    const item = await findToken(tx, token);
    await tx.delete(item.kind, item.name);
    return item;
  });
  const bot = item.kind === "token" ? { bot_name: item.value.bot } : {};
  await recordChange(cluster, "deleted", "token", item.name, bot);
  const now = cluster.clock.now();
  return item.kind === "token" ? summarize(item, now) : summarizeHosts(item, now);
}

type BotToken = Item<TokenItem> & { readonly kind: "token" };
type HostToken = Item<HostTokenItem> & { readonly kind: "host_token" };

/** The token that a secret, an id or the first digits of an id name. */
export async function findToken(reader: Reader, token: string): Promise<BotToken | HostToken> {
  for (const kind of SECRET_KINDS) {
    const item = await reader.get(kind, tokenItemName(token)) ?? await reader.get(kind, token);
    if (item) return item as BotToken | HostToken;
  }
  const all = (await Promise.all(SECRET_KINDS.map((kind) => reader.list(kind)))).flat();
  const [first, second] = token.length < MIN_ID_DIGITS
    ? []
    : all.filter(({ name }) => name.startsWith(token)) as (BotToken | HostToken)[];
  if (first && !second) return first;
  throw new IdentityError(
    "NOT_FOUND",
    second ? "these digits begin the ids of several tokens" : "there is no such token",
    { hint: "`tctl tokens ls` shows the tokens and their ids" },
  );
}

function summarizeMethod({ name, value, expires }: Item<MethodTokenItem>): TokenSummary {
  const { bot, method } = value;
  return {
    id: name,
    bot,
    method,
    state: "usable",
    ...(expires && { expires: expires.toISOString() }),
  };
}

function summarizeHosts({ name, value }: Item<HostTokenItem>, now: Date): TokenSummary {
  const { expires, roles } = value;
  const state = new Date(expires) <= now ? "expired" : "usable";
  return { id: name, roles, method: "token", expires, state };
}

function summarize({ name, value }: Item<TokenItem>, now: Date): TokenSummary {
  const { bot, expires, used } = value;
  const state = used ? "used" : new Date(expires) <= now ? "expired" : "unused";
  return { id: name, bot, method: "token", expires, state };
}
