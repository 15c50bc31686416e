import { IdentityError } from "../../error.ts";
import type { Transaction } from "../../storage/store.ts";
import type {
  AppItem,
  BotItem,
  Cluster,
  HostTokenItem,
  LockItem,
  MethodTokenItem,
  TokenItem,
} from "../cluster.ts";
import type { CreateRequest, ResourceChange } from "./admin.ts";
import { lockFields, recordChange, tokenFields } from "./_audit.ts";
import { settleKeypair } from "./_keypair_item.ts";
import { requireRoles } from "./_names.ts";
import { completeLock } from "./locks.ts";
import { parseResources } from "./_parse_resources.ts";
import type { ParsedResource } from "./_parse_resources.ts";

/** Writes the resources of a text in one transaction: all of them, or none. */
export async function createResources(
  cluster: Cluster,
  { text, file, force, revisions = false }: CreateRequest,
): Promise<ResourceChange[]> {
  const now = cluster.clock.now();
  const resources = parseResources(text, file, now);
  const changes = await cluster.store.update(async (tx) => {
    const changes: ResourceChange[] = [];
    for (const resource of resources) {
      if (revisions) await demandRevision(tx, resource);
      changes.push(await write(tx, resource, force, now));
    }
    // Last, since the roles may stand behind the bot in the same text.
    for (const { kind, value } of resources) {
      if (kind === "bot") await requireRoles(tx, (value as BotItem).roles);
    }
    return changes;
  });
  for (const [index, { kind, name, change }] of changes.entries()) {
    await recordChange(cluster, change, kind, name, recordedFields(resources[index]!));
  }
  return changes;
}

/** What the log tells of a resource beside its name: the same as when it is made by a command. */
function recordedFields(
  { kind, name, value, expires }: ParsedResource,
): Readonly<Record<string, unknown>> {
  switch (kind) {
    case "bot":
      return { roles: (value as BotItem).roles };
    case "token":
      return tokenFields(value as TokenItem | MethodTokenItem | HostTokenItem);
    case "lock":
      return lockFields({ name, lock: value as LockItem, expires });
    case "app": {
      const { labels, uri } = value as AppItem;
      return { app_uri: uri, app_labels: labels };
    }
    case "role":
      return {};
  }
}

/** A change that was made to something else than what is there now would undo another's. */
async function demandRevision(
  tx: Transaction,
  { kind, item = kind, name, revision }: ParsedResource,
): Promise<void> {
  const stored = await tx.get(item, name);
  if (stored && revision === String(stored.revision)) return;
  const found = !stored
    ? "does not exist any more"
    : revision === undefined
    ? "has no revision in the text"
    : "has been changed by somebody else meanwhile";
  throw new IdentityError("CONFLICT", `${kind} "${name}" ${found}`, {
    hint: "Read it again, and repeat the change",
  });
}

async function write(
  tx: Transaction,
  { kind, item = kind, name, secret, value, expires }: ParsedResource,
  force: boolean,
  now: Date,
): Promise<ResourceChange> {
  const exists = await tx.get(item, name) !== undefined;
  if (exists && !force) {
    throw new IdentityError("ALREADY_EXISTS", `${kind} "${name}" already exists`, {
      hint: "use -f or --force flag to overwrite",
    });
  }
  if (item === "method_token") {
    await settleKeypair(tx, name, value as MethodTokenItem, { secret, expires });
  }
  const written = kind === "lock" ? await completeLock(tx, value as LockItem, now) : value;
  await tx.put(item, name, written, expires ? { expires } : {});
  return { kind, name, change: exists ? "updated" : "created" };
}
