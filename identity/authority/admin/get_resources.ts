import { parseRole } from "../../../policy/mod.ts";
import { toAppFields } from "../../config/app_fields.ts";
import { formatDuration } from "../../duration.ts";
import { IdentityError } from "../../error.ts";
import { writeKeypairSection } from "../../join/mod.ts";
import type { Item, Reader } from "../../storage/store.ts";
import type {
  AppItem,
  BotItem,
  Cluster,
  HostItem,
  HostTokenItem,
  InstanceItem,
  KeypairItem,
  LockItem,
  MethodTokenItem,
  RoleItem,
  TokenItem,
} from "../cluster.ts";
import type { GetRequest, Resource, ResourceKind } from "./admin.ts";
import { keypairStatus } from "./_keypair_item.ts";
import { systemRole } from "./_audit.ts";
import { findToken } from "./tokens.ts";

/** The resources that are asked for, in the shape of their documents. */
export async function getResources(
  cluster: Cluster,
  { refs, secrets = false }: GetRequest,
): Promise<Resource[]> {
  const resources: Resource[] = [];
  for (const { kind, name } of refs) resources.push(...await read(cluster, kind, name, secrets));
  return resources;
}

async function read(
  { store }: Cluster,
  kind: ResourceKind,
  name: string | undefined,
  secrets: boolean,
): Promise<Resource[]> {
  switch (kind) {
    case "role":
      return (await items<RoleItem>()).map(toRole);
    case "bot":
      return (await items<BotItem>()).map(toBot);
    case "token":
      return await tokens(store, name, secrets);
    case "app":
      return (await items<AppItem>()).map(toApp);
    case "lock":
      return (await items<LockItem>()).map(toLock);
    case "bot_instance":
      return (await items<InstanceItem>()).map(toInstance);
    case "host":
      return (await items<HostItem>()).map(toHost);
  }

  async function items<T>(): Promise<Item<T>[]> {
    const itemKind = kind === "bot_instance" ? "instance" : kind;
    if (name === undefined) return await store.list<T>(itemKind);
    const item = await store.get<T>(itemKind, name);
    if (item) return [item];
    throw new IdentityError("NOT_FOUND", `${kind} "${name}" is not found`, {
      hint: `\`tctl get ${kind}\` shows those that there are`,
    });
  }
}

function metadata({ name, revision, expires }: Item): Resource["metadata"] {
  return {
    name,
    ...(expires === undefined ? {} : { expires: expires.toISOString() }),
    revision: String(revision),
  };
}

function toRole(item: Item<RoleItem>): Resource {
  const resource = parseRole(item.value.source, item.value.file).resource as unknown as Resource;
  // In the author's order of keys.
  return { ...resource, metadata: { ...resource.metadata, revision: String(item.revision) } };
}

function toBot(item: Item<BotItem>): Resource {
  const { roles, traits, maxSessionTtl } = item.value;
  return {
    kind: "bot",
    version: "v1",
    metadata: metadata(item),
    spec: {
      roles,
      traits: Object.entries(traits).map(([name, values]) => ({ name, values })),
      ...(maxSessionTtl === undefined
        ? {}
        : { max_session_ttl: formatDuration(maxSessionTtl * 1000) }),
    },
    status: { user_name: `bot-${item.name}`, role_name: `bot-${item.name}` },
  };
}

async function tokens(
  store: Reader,
  name: string | undefined,
  secrets: boolean,
): Promise<Resource[]> {
  const toMethod = (item: Item<MethodTokenItem>) => toMethodToken(store, item, secrets);
  if (name === undefined) {
    const methods = await Promise.all(
      (await store.list<MethodTokenItem>("method_token")).map(toMethod),
    );
    const hosts = await store.list<HostTokenItem>("host_token");
    const bots = await store.list<TokenItem>("token");
    return [...methods, ...hosts.map(toHostToken), ...bots.map(toToken)];
  }
  const method = await store.get<MethodTokenItem>("method_token", name);
  if (method) return [await toMethod(method)];
  const token = await findToken(store, name);
  return [token.kind === "host_token" ? toHostToken(token) : toToken(token)];
}

async function toMethodToken(
  store: Reader,
  item: Item<MethodTokenItem>,
  secrets: boolean,
): Promise<Resource> {
  const { bot, method } = item.value;
  const keypair = item.value.method === "bound_keypair"
    ? await store.get<KeypairItem>("bound_keypair", item.name)
    : undefined;
  const section = item.value.method === "bound_keypair"
    ? writeKeypairSection(item.value.rules)
    : item.value.section;
  return {
    kind: "token",
    version: "v2",
    metadata: metadata(item),
    spec: { roles: ["Bot"], join_method: method, bot_name: bot, [method]: section },
    ...(keypair && { status: { bound_keypair: keypairStatus(keypair.value, secrets) } }),
  };
}

function toToken(item: Item<TokenItem>): Resource {
  const { bot, expires, used } = item.value;
  return {
    kind: "token",
    version: "v2",
    metadata: { ...metadata(item), expires },
    spec: { roles: ["Bot"], join_method: "token", bot_name: bot },
    ...(used === undefined ? {} : { status: { used_by_instance: used.instance } }),
  };
}

function toHostToken(item: Item<HostTokenItem>): Resource {
  const { apps, expires, roles } = item.value;
  return {
    kind: "token",
    version: "v2",
    metadata: { ...metadata(item), expires },
    spec: {
      roles: roles.map(systemRole),
      join_method: "token",
      ...(apps && { allow: [{ apps }] }),
    },
  };
}

function toHost(item: Item<HostItem>): Resource {
  const { apps, joined, name, renewed, role } = item.value;
  return {
    kind: "host",
    version: "v1",
    metadata: metadata(item),
    spec: { role: systemRole(role), hostname: name, ...(apps && { allow: [{ apps }] }) },
    status: { joined, renewed },
  };
}

function toApp(item: Item<AppItem>): Resource {
  const { description, labels } = item.value;
  return {
    kind: "app",
    sub_kind: "mcp",
    version: "v3",
    metadata: { ...metadata(item), description, labels },
    spec: toAppFields(item.value),
  };
}

function toLock(item: Item<LockItem>): Resource {
  const { target, message, created } = item.value;
  const { expires, ...rest } = metadata(item);
  return {
    kind: "lock",
    version: "v2",
    metadata: rest as Resource["metadata"],
    spec: {
      target: {
        ...(target.bot === undefined ? {} : { user: `bot-${target.bot}` }),
        ...(target.instance === undefined ? {} : { bot_instance_id: target.instance }),
        ...(target.role === undefined ? {} : { role: target.role }),
        ...(target.app === undefined ? {} : { app: target.app }),
        ...(target.token === undefined ? {} : { join_token: target.token.name }),
        ...(target.host === undefined ? {} : { server_id: target.host }),
      },
      message,
      ...(expires === undefined ? {} : { expires }),
    },
    status: { created },
  };
}

function toInstance(item: Item<InstanceItem>): Resource {
  const { bot, generation, instance, joined, method = "token", previous, renewed, token } =
    item.value;
  return {
    kind: "bot_instance",
    version: "v1",
    metadata: metadata(item),
    spec: {
      bot_name: bot,
      instance_id: instance,
      ...(previous !== undefined && { previous_instance_id: previous }),
    },
    status: {
      generation,
      joined,
      renewed,
      join_method: method,
      ...(token !== undefined && { join_token: token }),
    },
  };
}
