/** The arguments of each operation, as the socket accepts them. */
import { z } from "zod";
import type { ZodType } from "zod";
import type { Admin } from "./admin.ts";
import { RESOURCE_KINDS } from "./admin.ts";
import { CA_TYPES, ROTATION_PHASES } from "../ca_rotation.ts";
import { MAX_TEXT_CHARS } from "./_documents.ts";
import { appPattern } from "./_resource_schemas.ts";

const MAX_LIST = 1000;
/** A record has at most some 20 KiB, and a page has to fit into an answer. */
const MAX_RECORDS = 2000;
const MAX_TTL = 10 * 365 * 86_400;
const text = z.string().min(1).max(1024);
const list = z.array(text).max(MAX_LIST);
const traits = z.record(text, list);
const ttl = z.number().int().positive().max(MAX_TTL);
const kind = z.enum(RESOURCE_KINDS);
const nothing = z.strictObject({});
const approval = z.strictObject({
  app: text,
  tool: text,
  sha256: z.string().regex(/^[0-9a-f]{64}$/).exactOptional(),
});

type Schemas = { readonly [K in keyof Admin]: ZodType<Parameters<Admin[K]>[0]> };

/** One schema for each operation; an operation is what has one. */
export const operationSchemas: Schemas = {
  status: nothing,
  trust: nothing,
  rotateCa: z.strictObject({
    type: z.enum(CA_TYPES),
    phase: z.enum(ROTATION_PHASES).exactOptional(),
    mode: z.enum(["manual", "auto"]),
    graceSeconds: ttl,
  }),
  createResources: z.strictObject({
    text: z.string().max(MAX_TEXT_CHARS),
    file: text,
    force: z.boolean(),
    revisions: z.boolean().exactOptional(),
  }),
  getResources: z.strictObject({
    refs: z.array(z.strictObject({ kind, name: text.exactOptional() })).min(1).max(MAX_LIST),
    secrets: z.boolean().exactOptional(),
  }),
  removeResource: z.strictObject({ kind, name: text }),
  addBot: z.strictObject({
    name: text,
    roles: list,
    traits: traits.exactOptional(),
    ttl: ttl.exactOptional(),
    token: text.exactOptional(),
    maxSessionTtl: ttl.exactOptional(),
  }),
  listBots: nothing,
  updateBot: z.strictObject({
    name: text,
    setRoles: list.exactOptional(),
    addRoles: list.exactOptional(),
    setLogins: list.exactOptional(),
    addLogins: list.exactOptional(),
    setMaxSessionTtl: ttl.exactOptional(),
  }),
  removeBot: z.strictObject({ name: text }),
  listInstances: z.strictObject({ bot: text.exactOptional() }),
  addToken: z.strictObject({
    bot: text,
    ttl: ttl.exactOptional(),
    value: text.exactOptional(),
  }),
  addHostToken: z.strictObject({
    roles: z.array(z.enum(["agent", "relay"])).min(1).max(2),
    apps: z.array(appPattern).min(1).max(MAX_LIST).exactOptional(),
    ttl: ttl.exactOptional(),
    value: text.exactOptional(),
  }),
  listTokens: nothing,
  removeToken: z.strictObject({ token: text }),
  addLock: z.strictObject({
    bot: text.exactOptional(),
    instance: text.exactOptional(),
    role: text.exactOptional(),
    app: text.exactOptional(),
    joinToken: text.exactOptional(),
    host: text.exactOptional(),
    ttl: ttl.exactOptional(),
    message: z.string().max(1024).exactOptional(),
  }),
  listSessions: nothing,
  backup: z.strictObject({ file: z.string().min(1).max(4096), force: z.boolean() }),
  auditEvents: z.strictObject({ limit: z.number().int().positive().max(100_000) }),
  auditRecords: z.strictObject({
    after: z.number().int().nonnegative(),
    limit: z.number().int().positive().max(MAX_RECORDS),
  }),
  policyWorld: nothing,
  appTools: z.strictObject({ app: text }),
  approveTool: approval,
  revokeTool: approval,
  listApprovals: nothing,
  decisionEvents: z.strictObject({ id: z.uuid() }),
};
