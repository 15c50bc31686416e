/** Locks: whoever is locked is refused everywhere, at once. */
import { randomUUID } from "node:crypto";
import { IdentityError } from "../../error.ts";
import type { Reader } from "../../storage/store.ts";
import type { Cluster, InstanceItem, LockItem, LockTarget } from "../cluster.ts";
import { instancesOf } from "../join_by_keypair_store.ts";
import type { AddLockRequest, LockSummary } from "./admin.ts";
import { recordLock } from "./_audit.ts";
import type { LocalAgent } from "./_local_agent.ts";
import { requireBot } from "./_names.ts";
import { withReceipt } from "./sessions.ts";

/**
 * Locks a bot, one of its instances, whoever holds a role, or an app. The target must exist: a
 * typing error would lock nobody.
 */
export async function addLock(
  cluster: Cluster,
  agent: LocalAgent | undefined,
  request: AddLockRequest,
): Promise<LockSummary> {
  const { ttl, message = "locked by an administrator" } = request;
  const name = randomUUID();
  const now = cluster.clock.now();
  const expires = ttl === undefined ? undefined : new Date(now.getTime() + ttl * 1000);
  const { ended, result: lock, silent } = await withReceipt(
    cluster,
    agent,
    () =>
      cluster.store.update(async (tx) => {
        const target = await targetOf(tx, cluster, request);
        const created = now.toISOString();
        const lock = await completeLock(tx, { target, message, created }, now);
        await tx.put("lock", name, lock, expires ? { expires } : {});
        return lock;
      }),
  );
  await recordLock(cluster, { name, lock, expires });
  return {
    name,
    ...(expires && { expires: expires.toISOString() }),
    ended,
    ...(silent.length > 0 && { silent }),
  };
}

/** A lock of a join token is one of those who have joined by it, too. */
export async function completeLock(
  reader: Reader,
  lock: LockItem,
  now: Date,
): Promise<LockItem> {
  const { token } = lock.target;
  if (token === undefined) return lock;
  const instances = await instancesOf(reader, token.name, now);
  return { ...lock, target: { token: { ...token, instances } } };
}

async function targetOf(
  reader: Reader,
  { view }: Cluster,
  { app, bot, host, instance, joinToken, role }: AddLockRequest,
): Promise<LockTarget> {
  const given = [app, bot, host, instance, joinToken, role]
    .filter((target) => target !== undefined);
  if (given.length !== 1) {
    throw new IdentityError("BAD_REQUEST", "A lock needs one target", {
      hint: "Give --bot, --instance, --join-token, --role, --app or --server-id, one of them",
    });
  }
  if (joinToken !== undefined) {
    if (await reader.get("method_token", joinToken)) {
      return { token: { name: joinToken, instances: [] } };
    }
    throw new IdentityError("NOT_FOUND", `join token "${joinToken}" does not exist`, {
      hint: "`tctl tokens ls` shows those that there are; a one-time token is removed instead",
    });
  }
  if (instance !== undefined) return { instance: await requireInstance(reader, instance) };
  if (bot !== undefined) {
    await requireBot(reader, bot);
    return { bot };
  }
  if (role !== undefined) {
    if (await reader.get("role", role)) return { role };
    throw new IdentityError("NOT_FOUND", `role "${role}" does not exist`, {
      hint: "`tctl get roles` shows those that there are",
    });
  }
  if (host !== undefined) {
    if (await reader.get("host", host)) return { host };
    throw new IdentityError("NOT_FOUND", `host "${host}" does not exist`, {
      hint: "`tctl get hosts` shows those that there are",
    });
  }
  if (app !== undefined && (view.app(app) || await reader.get("app", app))) return { app };
  throw new IdentityError("NOT_FOUND", `app "${app}" does not exist`, {
    hint: "`tctl mcp ls` shows those that there are",
  });
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
