import { IdentityError } from "../../error.ts";
import type { Transaction } from "../../storage/store.ts";
import type { BotItem, Cluster } from "../cluster.ts";
import type { CreateRequest, ResourceChange } from "./admin.ts";
import { recordChange } from "./_audit.ts";
import { requireRoles } from "./_names.ts";
import { parseResources } from "./_parse_resources.ts";
import type { ParsedResource } from "./_parse_resources.ts";

/** Writes the resources of a text in one transaction: all of them, or none. */
export async function createResources(
  cluster: Cluster,
  { text, file, force }: CreateRequest,
): Promise<ResourceChange[]> {
  const resources = parseResources(text, file, cluster.clock.now());
  const changes = await cluster.store.update(async (tx) => {
    const changes: ResourceChange[] = [];
    for (const resource of resources) changes.push(await write(tx, resource, force));
    // Last, since the roles may stand behind the bot in the same text.
    for (const { kind, value } of resources) {
      if (kind === "bot") await requireRoles(tx, (value as BotItem).roles);
    }
    return changes;
  });
  for (const { kind, name, change } of changes) await recordChange(cluster, change, kind, name);
  return changes;
}

async function write(
  tx: Transaction,
  { kind, name, value, expires }: ParsedResource,
  force: boolean,
): Promise<ResourceChange> {
  const exists = await tx.get(kind, name) !== undefined;
  if (exists && !force) {
    throw new IdentityError("ALREADY_EXISTS", `${kind} "${name}" already exists`, {
      hint: "use -f or --force flag to overwrite",
    });
  }
  await tx.put(kind, name, value, expires ? { expires } : {});
  return { kind, name, change: exists ? "updated" : "created" };
}
