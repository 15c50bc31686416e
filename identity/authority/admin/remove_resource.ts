import { IdentityError } from "../../error.ts";
import type { Transaction } from "../../storage/store.ts";
import type { BotItem, Cluster, InstanceItem } from "../cluster.ts";
import { removeHost } from "../hosts/remove_host.ts";
import type { ResourceRef } from "./admin.ts";
import { recordChange, recordLock } from "./_audit.ts";
import { removeBot, removeInstance } from "./bots.ts";
import { removeToken } from "./tokens.ts";

/** Removes one resource; a role that a bot still has stays. */
export async function removeResource(
  cluster: Cluster,
  { kind, name }: ResourceRef,
): Promise<ResourceRef> {
  switch (kind) {
    case "bot":
      await removeBot(cluster, { name });
      return { kind, name };
    case "token":
      return { kind, name: (await removeToken(cluster, { token: name })).id };
    case "role":
      await cluster.store.update(async (tx) => {
        await requireUnused(tx, name);
        if (!await tx.delete("role", name)) throw notFound({ kind, name });
      });
      break;
    case "app":
    case "lock":
      await cluster.store.update(async (tx) => {
        if (!await tx.delete(kind, name)) throw notFound({ kind, name });
      });
      break;
    case "host":
      await cluster.store.update(async (tx) => {
        if (!await removeHost(tx, name)) throw notFound({ kind, name });
      });
      break;
    case "bot_instance": {
      const lock = await cluster.store.update(async (tx) => {
        const item = await tx.get<InstanceItem>("instance", name);
        if (!item) throw notFound({ kind, name });
        return await removeInstance(tx, item, cluster.clock.now());
      });
      await recordLock(cluster, lock);
    }
  }
  await recordChange(cluster, "deleted", kind, name);
  return { kind, name };
}

/** A bot whose role is missing reaches nothing, and nobody could see why. */
async function requireUnused(tx: Transaction, role: string): Promise<void> {
  const users = (await tx.list<BotItem>("bot")).filter(({ value }) => value.roles.includes(role));
  const [first] = users;
  if (!first) return;
  const others = users.length > 1 ? ` and ${users.length - 1} more` : "";
  throw new IdentityError(
    "CONFLICT",
    `Cannot delete role "${role}": bot "${first.name}"${others} still has it`,
    { hint: "Take it away first, with `tctl bots update --set-roles`" },
  );
}

function notFound({ kind, name }: ResourceRef): IdentityError {
  return new IdentityError("NOT_FOUND", `${kind} "${name}" is not found`, {
    hint: `\`tctl get ${kind}\` shows those that there are`,
  });
}
