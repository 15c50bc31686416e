/** Locks: whoever is locked is refused everywhere, at once. */
import { randomUUID } from "node:crypto";
import { IdentityError } from "../../error.ts";
import type { Reader } from "../../storage/store.ts";
import type { Cluster, InstanceItem, LockItem } from "../cluster.ts";
import type { AddLockRequest, LockSummary } from "./admin.ts";
import { recordLock } from "./_audit.ts";
import { requireBot } from "./_names.ts";

/** Locks a bot or one of its instances, which must exist: a typing error would lock nobody. */
export async function addLock(cluster: Cluster, request: AddLockRequest): Promise<LockSummary> {
  const { bot, instance, ttl, message = "locked by an administrator" } = request;
  if ((bot === undefined) === (instance === undefined)) {
    throw new IdentityError("BAD_REQUEST", "A lock needs one target: a bot or an instance", {
      hint: "Give either --bot or --instance",
    });
  }
  const name = randomUUID();
  const now = cluster.clock.now();
  const expires = ttl === undefined ? undefined : new Date(now.getTime() + ttl * 1000);
  const lock = await cluster.store.update(async (tx) => {
    const target = bot === undefined
      ? { instance: await requireInstance(tx, instance ?? "") }
      : { bot };
    if (bot !== undefined) await requireBot(tx, bot);
    const lock: LockItem = { target, message, created: now.toISOString() };
    await tx.put("lock", name, lock, expires ? { expires } : {});
    return lock;
  });
  await recordLock(cluster, { name, lock, expires });
  return { name, ...(expires && { expires: expires.toISOString() }) };
}

/** The id of an instance that is written as `<id>` or, as in lists, `<bot>/<id>`. */
async function requireInstance(reader: Reader, text: string): Promise<string> {
  const id = text.slice(text.lastIndexOf("/") + 1);
  const instances = await reader.list<InstanceItem>("instance");
  if (instances.some(({ value }) => value.instance === id)) return id;
  throw new IdentityError("NOT_FOUND", `bot instance "${text}" does not exist`, {
    hint: "`tctl bots instances ls` shows those that there are",
  });
}
