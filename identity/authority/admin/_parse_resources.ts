/** Documents into what the store keeps, each checked, with every problem and its place. */
import { formatProblems, parseRoles } from "../../../policy/mod.ts";
import type { Problem } from "../../../policy/mod.ts";
import type { ZodType } from "zod";
import { toApp } from "../../config/app_fields.ts";
import { placeOf, schemaProblems } from "../../config/problems.ts";
import { IdentityError } from "../../error.ts";
import type { ItemKind } from "../../storage/store.ts";
import type {
  AppItem,
  BotItem,
  HostTokenItem,
  LockItem,
  MethodTokenItem,
  RoleItem,
  TokenItem,
} from "../cluster.ts";
import { tokenItemName } from "../join_bot.ts";
import type { ResourceKind } from "./admin.ts";
import { readDocuments } from "./_documents.ts";
import type { ResourceDocument } from "./_documents.ts";
import { unique } from "./_names.ts";
import {
  appSchema,
  botSchema,
  hostTokenSchema,
  lockSchema,
  methodTokenSchema,
  PROVEN_METHODS,
  tokenSchema,
} from "./_resource_schemas.ts";
import { DEFAULT_TOKEN_TTL, hostTokenItem, tokenItem } from "./_token_item.ts";

/** A checked resource, ready to be written. */
export interface ParsedResource {
  readonly kind: Exclude<ResourceKind, "bot_instance" | "host"> & ItemKind;
  /** Where it is kept, if that is not its kind. */
  readonly item?: ItemKind;
  /** The item's name; a token's is its id. */
  readonly name: string;
  readonly value:
    | RoleItem
    | BotItem
    | TokenItem
    | HostTokenItem
    | MethodTokenItem
    | AppItem
    | LockItem;
  readonly expires?: Date;
  /** To register a key with; it is kept apart from what is shown. */
  readonly secret?: string;
  /** The one that its author has seen. */
  readonly revision?: string;
}

/** Reads every resource of a text; throws with all that is wrong with any of them. */
export function parseResources(text: string, file: string, now: Date): ParsedResource[] {
  const { documents, problems } = readDocuments(text, file);
  if (documents.length === 0 && problems.length === 0) {
    throw new IdentityError("BAD_REQUEST", "no resources found, empty input?", {
      hint: "Name a file, or give the resources on stdin",
    });
  }
  const resources: ParsedResource[] = [];
  for (const document of documents) {
    const parsed = parseOne(document, file, now, problems);
    if (!parsed) continue;
    if (resources.some(({ kind, name }) => kind === parsed.kind && name === parsed.name)) {
      const at = placeOf(document.source, ["metadata", "name"]);
      problems.push({ at, message: `There is a second ${parsed.kind} of this name in the text` });
    }
    const { metadata } = document.value as { metadata?: { revision?: unknown } };
    const revision = metadata?.revision;
    resources.push(typeof revision === "string" ? { ...parsed, revision } : parsed);
  }
  if (problems.length > 0) throw invalidResources(problems, file);
  return resources;
}

/**
 * The kinds of a text's resources, each once, and `host` where hosts may join by them; a text that
 * cannot be used has none to tell.
 */
export function resourceKinds(text: string, file: string): (ParsedResource["kind"] | "host")[] {
  const { documents } = readDocuments(text, file);
  const kinds = documents.map(({ value }) => (value as { kind?: unknown } | null)?.kind);
  const hosts = documents.some(({ value }, index) => kinds[index] === "token" && isForHosts(value));
  return [
    ...CREATED_KINDS.filter((kind) => kinds.includes(kind)),
    ...(hosts ? ["host" as const] : []),
  ];
}

const CREATED_KINDS = ["role", "bot", "token", "app", "lock"] as const;

function invalidResources(problems: readonly Problem[], file: string): IdentityError {
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  return new IdentityError(
    "BAD_REQUEST",
    `Cannot use ${file}: ${count}\n${formatProblems(problems)}`,
    { hint: "Correct the file; nothing was changed" },
  );
}

function parseOne(
  document: ResourceDocument,
  file: string,
  now: Date,
  problems: Problem[],
): ParsedResource | undefined {
  const { value, source } = document;
  const kind = typeof value === "object" && value !== null && "kind" in value
    ? value.kind
    : undefined;
  const check = <T>(schema: ZodType<T>): T | undefined => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    problems.push(...schemaProblems(source, schema, parsed.error));
    return undefined;
  };
  switch (kind) {
    case "role":
      return parseRoleDocument(document, file, problems);
    case "bot": {
      const bot = check(botSchema);
      return bot && { kind, name: bot.metadata.name, value: toBot(bot.spec) };
    }
    case "token": {
      if (provesItself(value)) {
        const token = check(methodTokenSchema);
        return token && { kind, item: "method_token", ...toMethodToken(token, value) };
      }
      if (isForHosts(value)) {
        const token = check(hostTokenSchema);
        return token && { kind, item: "host_token", ...toHostToken(token, now) };
      }
      const token = check(tokenSchema);
      const { name, expires } = token?.metadata ?? {};
      return token && name && {
            kind,
            name: tokenItemName(name),
            ...tokenItem(
              token.spec.bot_name,
              expires ?? new Date(now.getTime() + DEFAULT_TOKEN_TTL * 1000),
            ),
          } || undefined;
    }
    case "app": {
      const app = check(appSchema);
      return app && { kind, name: app.metadata.name, value: toAppItem(app) };
    }
    case "lock": {
      const lock = check(lockSchema);
      return lock && { kind, name: lock.metadata.name, ...toLock(lock, now) };
    }
  }
  problems.push({
    at: placeOf(source, kind === undefined ? [] : ["kind"]),
    message: kind === undefined
      ? "A resource is a map with `kind`, `version`, `metadata` and `spec`"
      : `creating resources of type "${String(kind)}" is not supported`,
    hint: "kinds are role, bot, token, app and lock",
  });
  return undefined;
}

interface TokenDocument {
  readonly spec?: Readonly<Record<string, unknown>> | null;
}

/** Whether a token is no secret; the schema of secret ones says what is wrong with any other. */
function provesItself(value: unknown): boolean {
  const { spec } = value as TokenDocument;
  return PROVEN_METHODS.some((method) => method === spec?.["join_method"]);
}

/** Whether a token is for agents and relays: the schema of bots' says what is wrong with any other. */
function isForHosts(value: unknown): boolean {
  const roles = (value as TokenDocument).spec?.["roles"];
  return Array.isArray(roles) && roles.length > 0 && !roles.includes("Bot");
}

function toHostToken(
  { metadata: { expires, name }, spec }: (typeof hostTokenSchema)["_output"],
  now: Date,
): { name: string; value: HostTokenItem; expires: Date } {
  const end = expires ?? new Date(now.getTime() + DEFAULT_TOKEN_TTL * 1000);
  const apps = spec.allow?.flatMap(({ apps }) => apps);
  return {
    name: tokenItemName(name),
    ...hostTokenItem({ roles: spec.roles, ...(apps && { apps }) }, end),
  };
}

/** The section is kept as it was written, for those who read it again. */
function toMethodToken(
  { metadata: { expires, name }, spec }: (typeof methodTokenSchema)["_output"],
  written: unknown,
): Pick<ParsedResource, "name" | "expires" | "secret"> & { value: MethodTokenItem } {
  const common = { name, ...(expires && { expires }) };
  if (spec.method === "bound_keypair") {
    const { secret, ...value } = spec;
    return { ...common, value, ...(secret !== undefined && { secret }) };
  }
  const section = (written as TokenDocument).spec?.[spec.method];
  return { ...common, value: { ...spec, section } };
}

function parseRoleDocument(
  { text }: ResourceDocument,
  file: string,
  problems: Problem[],
): ParsedResource | undefined {
  const parsed = parseRoles(text, file);
  problems.push(...parsed.problems);
  const [role] = parsed.roles;
  return role && { kind: "role", name: role.name, value: { source: text, file } };
}

function toBot(spec: (typeof botSchema)["_output"]["spec"]): BotItem {
  return {
    roles: unique(spec.roles),
    traits: Object.fromEntries(spec.traits.map(({ name, values }) => [name, values])),
    ...(spec.max_session_ttl === undefined ? {} : { maxSessionTtl: spec.max_session_ttl }),
  };
}

function toAppItem({ metadata, spec }: (typeof appSchema)["_output"]): AppItem {
  const named = Object.entries(spec.dynamic_labels ?? {});
  const commands = new Map([
    ...spec.commands.map((label) => [label.name, label] as const),
    ...named.map(([name, label]) => [name, { name, ...label }] as const),
  ]);
  return toApp(metadata, { ...spec, commands: [...commands.values()] });
}

function toLock(
  { metadata, spec }: (typeof lockSchema)["_output"],
  now: Date,
): { value: LockItem; expires?: Date } {
  const { app, bot_instance_id, join_token, role, server_id, user } = spec.target;
  const expires = spec.expires ?? metadata.expires;
  return {
    value: {
      target: {
        ...(user === undefined ? {} : { bot: user.slice("bot-".length) }),
        ...(bot_instance_id === undefined ? {} : { instance: bot_instance_id }),
        ...(role === undefined ? {} : { role }),
        ...(app === undefined ? {} : { app }),
        // Whoever has joined by it is looked up when the lock is written.
        ...(join_token === undefined ? {} : { token: { name: join_token, instances: [] } }),
        ...(server_id === undefined ? {} : { host: server_id }),
      },
      message: spec.message,
      created: now.toISOString(),
    },
    ...(expires === undefined ? {} : { expires }),
  };
}
