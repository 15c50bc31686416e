/** Records what an administrator changed. */
import type { Cluster } from "../cluster.ts";
import type { ResourceKind } from "./admin.ts";

/** Whoever may open the data directory: the operating system knows who that is, we do not. */
const LOCAL_ADMIN = "local-admin";

type Change = "created" | "updated" | "deleted";

// The original's types and codes; those that begin with P are of events that it does not have.
const EVENTS: Readonly<
  Record<ResourceKind | "approval", Partial<Record<Change, readonly [string, string]>>>
> = {
  role: {
    created: ["role.created", "T9000I"],
    updated: ["role.updated", "T9002I"],
    deleted: ["role.deleted", "T9001I"],
  },
  bot: {
    created: ["bot.create", "TB001I"],
    updated: ["bot.update", "TB002I"],
    deleted: ["bot.delete", "TB003I"],
  },
  token: {
    created: ["join_token.create", "TJT00I"],
    updated: ["join_token.create", "TJT00I"],
    deleted: ["join_token.delete", "PJT01I"],
  },
  app: {
    created: ["app.create", "TAP03I"],
    updated: ["app.update", "TAP04I"],
    deleted: ["app.delete", "TAP05I"],
  },
  lock: {
    created: ["lock.created", "TLK00I"],
    updated: ["lock.created", "TLK00I"],
    deleted: ["lock.deleted", "TLK01I"],
  },
  approval: {
    created: ["mcp.tool.approved", "PMT01I"],
    deleted: ["mcp.tool.revoked", "PMT02I"],
  },
  bot_instance: { deleted: ["bot_instance.delete", "PBI01I"] },
};

export async function recordChange(
  cluster: Cluster,
  change: Change,
  kind: ResourceKind | "approval",
  name: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const event = EVENTS[kind][change];
  if (!event) return;
  const [type, code] = event;
  await cluster.audit.append({ ...fields, type, code, name, user: LOCAL_ADMIN });
}
