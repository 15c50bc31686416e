/** Bots: machines that may join, and what they may hold. */
import { randomUUID } from "node:crypto";
import { IdentityError } from "../../error.ts";
import type { Item, Transaction } from "../../storage/store.ts";
import type {
  BotItem,
  Cluster,
  HeartbeatItem,
  InstanceItem,
  LockItem,
  MethodTokenItem,
  TokenItem,
} from "../cluster.ts";
import { MAX_BOT_TTL } from "../issuing.ts";
import { tokenItemName } from "../join_bot.ts";
import type {
  AddBotRequest,
  BotRef,
  BotSummary,
  BotUpdate,
  InstanceSummary,
  NewBot,
  UpdateBotRequest,
} from "./admin.ts";
import { type NewLock, recordChange, recordLock } from "./_audit.ts";
import { checkBotName, requireBot, requireRoles, unique } from "./_names.ts";
import { clusterStatus } from "./status.ts";
import { putNewToken, recordToken } from "./tokens.ts";

/** Creates a bot, and the one-time token that its first instance joins with. */
export async function addBot(cluster: Cluster, request: AddBotRequest): Promise<NewBot> {
  const { name, traits = {}, maxSessionTtl } = request;
  checkBotName(name);
  const roles = unique(request.roles);
  const now = cluster.clock.now();
  const token = await cluster.store.update(async (tx) => {
    if (await tx.get("bot", name)) {
      throw new IdentityError("ALREADY_EXISTS", `bot "${name}" already exists`, {
        hint: `Change it with \`tctl bots update ${name}\`; for one more machine, make a token ` +
          `with \`tctl tokens add --type=bot --bot=${name}\``,
      });
    }
    await requireRoles(tx, roles);
    const bot: BotItem = {
      roles,
      traits,
      ...(maxSessionTtl === undefined ? {} : { maxSessionTtl }),
    };
    await tx.put("bot", name, bot);
    const { ttl } = request;
    if (request.token !== undefined) return await useToken(tx, now, name, request.token);
    const made = await putNewToken(tx, now, { bot: name, ...(ttl ? { ttl } : {}) });
    return { ...made, method: "token" } as const;
  });
  await recordChange(cluster, "created", "bot", name, { roles });
  if (request.token === undefined) {
    await recordToken(cluster, { ...token, expires: token.expires ?? "" });
  }
  const { caPins, publicAddress } = await clusterStatus(cluster);
  return { ...token, roles, caPins, ...(publicAddress ? { publicAddress } : {}) };
}

type JoinsWith = Pick<NewBot, "bot" | "expires" | "method" | "token" | "ttl">;

function secondsUntil(end: Date, now: Date): number {
  return Math.floor((end.getTime() - now.getTime()) / 1000);
}

/** A token that was made before its bot. */
async function useToken(
  tx: Transaction,
  now: Date,
  bot: string,
  token: string,
): Promise<JoinsWith> {
  const proven = await tx.get<MethodTokenItem>("method_token", token);
  if (proven?.value.bot === bot) {
    const { expires, value: { method } } = proven;
    return {
      bot,
      token,
      method,
      ...(expires && { expires: expires.toISOString(), ttl: secondsUntil(expires, now) }),
    };
  }
  const item = await tx.get<TokenItem>("token", tokenItemName(token));
  const { expires = "" } = item?.value ?? {};
  const ttl = secondsUntil(new Date(expires), now);
  const wrong = proven
    ? `it is for bot "${proven.value.bot}"`
    : !item
    ? "it does not exist"
    : item.value.bot !== bot
    ? `it is for bot "${item.value.bot}"`
    : item.value.used
    ? "it has been used already"
    : ttl <= 0
    ? "it has expired"
    : undefined;
  if (wrong === undefined) return { bot, token, ttl, expires, method: "token" };
  throw new IdentityError("BAD_REQUEST", `Cannot use this token for bot "${bot}": ${wrong}`, {
    hint: "Leave --token out for a new one",
  });
}

export async function listBots(cluster: Cluster): Promise<BotSummary[]> {
  return (await cluster.store.list<BotItem>("bot")).map(({ name, value }) =>
    summarize(cluster, name, value)
  );
}

/** Changes a bot. What it loses is lost at once, what it gains comes with its next renewal. */
export async function updateBot(cluster: Cluster, request: UpdateBotRequest): Promise<BotUpdate> {
  const { name, setRoles, addRoles, setLogins, addLogins, setMaxSessionTtl } = request;
  const { before, after } = await cluster.store.update(async (tx) => {
    const before = await requireBot(tx, name);
    const roles = unique([...(setRoles ?? before.roles), ...(addRoles ?? [])]);
    await requireRoles(tx, roles.filter((role) => !before.roles.includes(role)));
    const logins = unique([
      ...(setLogins ?? before.traits["logins"] ?? []),
      ...(addLogins ?? []),
    ]);
    const after: BotItem = {
      ...before,
      roles,
      traits: setLogins || addLogins ? { ...before.traits, logins } : before.traits,
      ...(setMaxSessionTtl === undefined ? {} : { maxSessionTtl: setMaxSessionTtl }),
    };
    if (JSON.stringify(after) !== JSON.stringify(before)) await tx.put("bot", name, after);
    return { before, after };
  });
  const changed = JSON.stringify(after) !== JSON.stringify(before);
  if (changed) await recordChange(cluster, "updated", "bot", name, { roles: after.roles });
  return { changed, bot: summarize(cluster, name, after) };
}

/** Removes a bot with its instances and tokens. */
export async function removeBot(cluster: Cluster, { name }: BotRef): Promise<BotRef> {
  const now = cluster.clock.now();
  const { locks, tokens } = await cluster.store.update(async (tx) => {
    await requireBot(tx, name);
    await tx.delete("bot", name);
    const instances = await tx.list<InstanceItem>("instance");
    const locks: NewLock[] = [];
    for (const item of instances.filter(({ value }) => value.bot === name)) {
      locks.push(await removeInstance(tx, item, now));
    }
    const tokens = (await tx.list<TokenItem>("token")).filter(({ value }) => value.bot === name);
    for (const token of tokens) await tx.delete("token", token.name);
    const methods = (await tx.list<MethodTokenItem>("method_token"))
      .filter(({ value }) => value.bot === name);
    for (const token of methods) {
      await tx.delete("method_token", token.name);
      await tx.delete("bound_keypair", token.name);
    }
    return { locks, tokens: [...tokens, ...methods] };
  });
  await recordChange(cluster, "deleted", "bot", name);
  for (const lock of locks) await recordLock(cluster, lock);
  for (const token of tokens) {
    await recordChange(cluster, "deleted", "token", token.name, { bot_name: name });
  }
  return { name };
}

/**
 * Removes an instance, and locks it for as long as its certificates can live: a bot of the same
 * name that is made meanwhile must not bring them back to life.
 */
export async function removeInstance(
  tx: Transaction,
  { name, value: { instance } }: Item<InstanceItem>,
  now: Date,
): Promise<NewLock> {
  await tx.delete("instance", name);
  await tx.delete("heartbeat", name);
  const lock: LockItem = {
    target: { instance },
    message: "it was removed",
    created: now.toISOString(),
  };
  const expires = new Date(now.getTime() + MAX_BOT_TTL * 1000);
  const added: NewLock = { name: randomUUID(), lock, expires };
  await tx.put("lock", added.name, lock, { expires });
  return added;
}

export async function listInstances(
  { clock, store, view }: Cluster,
  { bot }: { readonly bot?: string },
): Promise<InstanceSummary[]> {
  if (bot !== undefined) await requireBot(store, bot);
  const heard = new Map(
    (await store.list<HeartbeatItem>("heartbeat")).map(({ name, value }) => [name, value]),
  );
  return (await store.list<InstanceItem>("instance"))
    .filter(({ value }) => bot === undefined || value.bot === bot)
    .map(({ value: { bot, instance, generation, joined, method, renewed, token } }) => ({
      bot,
      instance,
      generation,
      joined,
      renewed,
      locked: view.standing(bot, instance).kind === "locked",
      ...healthOf(heard.get(`${bot}/${instance}`), clock.now()),
      method: method ?? "token",
      ...(token !== undefined && { token }),
    }));
}

/** Milliseconds that a machine may be late with its word. */
const GRACE_MS = 10 * 60_000;

function healthOf(
  heartbeat: HeartbeatItem | undefined,
  now: Date,
): Pick<InstanceSummary, "health" | "heartbeat"> {
  if (heartbeat === undefined) return {};
  const { interval, oneshot, seen, services } = heartbeat;
  const well = services.every(({ status }) => status === "healthy");
  const silent = now.getTime() - Date.parse(seen) > interval * 1_000 + GRACE_MS;
  const health = oneshot && well ? "ended" : silent ? "silent" : well ? "healthy" : "unhealthy";
  return { heartbeat, health };
}

function summarize(
  { view }: Cluster,
  name: string,
  { roles, traits, maxSessionTtl }: BotItem,
): BotSummary {
  return {
    name,
    roles,
    traits,
    ...(maxSessionTtl === undefined ? {} : { maxSessionTtl }),
    // No instance has an empty id: this asks for locks of the bot as a whole.
    locked: view.standing(name, "").kind === "locked",
  };
}
