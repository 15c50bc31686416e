/** Records what an administrator changed. */
import type { EventCode, EventType } from "../../audit/mod.ts";
import { IdentityError } from "../../error.ts";
import type {
  Cluster,
  HostTokenItem,
  JoinedRole,
  LockItem,
  MethodTokenItem,
  TokenItem,
} from "../cluster.ts";
import type { ResourceKind } from "./admin.ts";

/** Whoever may open the data directory: the operating system knows who that is, we do not. */
export const LOCAL_ADMIN = "local-admin";

type Change = "created" | "updated" | "deleted";

/** A type of events and one of its codes. */
type Pair = { [T in EventType]: readonly [T, EventCode<T>] }[EventType];

// The original's types and codes; those that begin with P are of events that it does not have.
const EVENTS: Readonly<
  Record<ResourceKind | "approval", Partial<Record<Change, Pair>>>
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
  host: { deleted: ["host.delete", "PHO01I"] },
};

/** Whom a lock locks, why and how long, under the original's names. */
export function lockFields(
  { lock: { target: { app, bot, host, instance, role, token }, message }, expires }: NewLock,
): Readonly<Record<string, unknown>> {
  return {
    target: {
      ...(bot !== undefined && { user: `bot-${bot}` }),
      ...(instance !== undefined && { bot_instance_id: instance }),
      ...(role !== undefined && { role }),
      ...(app !== undefined && { app }),
      ...(token !== undefined && { join_token: token.name }),
      ...(host !== undefined && { server_id: host }),
    },
    message,
    ...(expires && { expires: expires.toISOString() }),
  };
}

/** Never the token itself: whoever reads the log could join with it. */
export function tokenFields(
  token: Pick<TokenItem, "bot" | "expires"> | MethodTokenItem | HostTokenItem,
): Readonly<Record<string, unknown>> {
  if (!("bot" in token)) {
    const { apps, expires, roles } = token;
    return { roles: roles.map(systemRole), expires, join_method: "token", ...(apps && { apps }) };
  }
  const common = { bot_name: token.bot, roles: ["Bot"] };
  return "method" in token
    ? { ...common, join_method: token.method }
    : { ...common, expires: token.expires, join_method: "token" };
}

/** The original's name of what a host may be. */
export function systemRole(role: JoinedRole): "App" | "Proxy" {
  return role === "agent" ? "App" : "Proxy";
}

/** Who did it: somebody on the host, or from afar. */
function actorFields({ actor }: Cluster): Readonly<Record<string, unknown>> {
  if (!actor) return { user: LOCAL_ADMIN };
  const { instance, remote, user } = actor;
  return { user, user_instance: instance, "addr.remote": remote };
}

export interface NewLock {
  readonly name: string;
  readonly lock: LockItem;
  readonly expires?: Date | undefined;
}

export function recordLock(cluster: Cluster, lock: NewLock): Promise<void> {
  return recordChange(cluster, "created", "lock", lock.name, lockFields(lock));
}

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
  try {
    await cluster.audit.append({ ...fields, type, code, name, ...actorFields(cluster) });
  } catch (cause) {
    // A lock must hold also when the disk is full; but nobody may think that nothing has happened.
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new IdentityError(
      "AUDIT_UNAVAILABLE",
      `The ${kind} "${name}" is ${change}, but this is not in the audit log: ${found}`,
      { hint: "See to the disk of the data directory, and write down what you have done", cause },
    );
  }
}
