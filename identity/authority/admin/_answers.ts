/** What each operation is for and answers: the published description, which tests hold it to. */
import { z } from "zod";
import type { ZodType } from "zod";
import { ID_TOKEN_METHODS } from "../../join/mod.ts";
import { signedHead, trustBundle } from "../_answers.ts";
import { heartbeatRequest } from "../_schemas.ts";
import { CA_TYPES, ROTATION_PHASES } from "../ca_rotation.ts";
import { type Admin, RESOURCE_KINDS } from "./admin.ts";
import type { RemoteOperation } from "./_permissions.ts";

const text = z.string();
const texts = z.array(text);
const traits = z.record(text, texts);
const time = z.iso.datetime();
const seconds = z.number().int().positive();
const kind = z.enum(RESOURCE_KINDS);
const method = z.enum(["token", "bound_keypair", ...ID_TOKEN_METHODS]);
const hostRoles = z.array(z.enum(["agent", "relay"]));
const named = z.strictObject({ name: text });
const reached = { caPins: texts, publicAddress: text.exactOptional() };

const rotation = z.strictObject({
  type: z.enum(CA_TYPES),
  phase: z.enum(ROTATION_PHASES),
  mode: z.enum(["manual", "auto"]).exactOptional(),
  started: time.exactOptional(),
  ending: time.exactOptional(),
  lastRotated: time.exactOptional(),
});

const resource = z.strictObject({
  kind: text,
  sub_kind: text.exactOptional(),
  version: text,
  // A document's own fields: its kind says which.
  metadata: z.looseObject({ name: text }),
  spec: z.record(text, z.unknown()),
  status: z.record(text, z.unknown()).exactOptional(),
});

const bot = z.strictObject({
  name: text,
  roles: texts,
  traits,
  maxSessionTtl: seconds.exactOptional(),
  locked: z.boolean(),
});

const instance = z.strictObject({
  bot: text,
  instance: text,
  generation: z.number().int(),
  joined: time,
  renewed: time,
  locked: z.boolean(),
  heartbeat: heartbeatRequest.extend({ seen: time }).exactOptional(),
  health: z.enum(["healthy", "unhealthy", "silent", "ended"]).exactOptional(),
  method,
  token: text.exactOptional(),
});

const newToken = { token: text, expires: time, ttl: seconds };

const token = z.strictObject({
  id: text,
  bot: text.exactOptional(),
  roles: hostRoles.exactOptional(),
  method,
  expires: time.exactOptional(),
  state: z.enum(["unused", "used", "expired", "usable"]),
});

const session = z.strictObject({
  session: text,
  bot: text,
  instance: text,
  app: text,
  address: text,
  started: time,
  host: text.exactOptional(),
});

const ended = session.omit({ address: true, started: true })
  .extend({ milliseconds: z.number().nonnegative().exactOptional() });

// Each type of event has fields of its own.
const events = z.array(z.looseObject({
  type: text,
  code: text,
  time,
  uid: text,
  cluster_name: text,
}));

const approval = z.strictObject({ app: text, tool: text, sha256: text, created: time });

/** One sentence for each. */
export const operationSummaries: { readonly [K in RemoteOperation]: string } = {
  status: "The cluster, its CAs and how to reach it",
  trust: "The cluster's CAs",
  rotateCa: "Take a CA to a phase of its rotation",
  createResources: "Store all documents of a YAML or JSON text, or none",
  getResources: "Resources as their documents",
  removeResource: "Remove one resource",
  addBot: "Create a bot, with a token to join by",
  listBots: "All bots",
  updateBot: "Change a bot's roles, logins or longest session",
  removeBot: "Remove a bot",
  listInstances: "The machines that have joined as bots",
  addToken: "Create a join token for a bot",
  addHostToken: "Create a join token for agents and relays",
  listTokens: "All join tokens, without their secrets",
  removeToken: "Remove a join token",
  addLock: "Lock out one target, and say which sessions that has ended",
  listSessions: "Sessions that are open",
  auditEvents: "The newest audit events",
  auditRecords: "Audit records as they were written, to be verified",
  policyWorld: "Roles, bots and apps, to ask policies about",
  appTools: "What the server of an app offers now",
  approveTool: "Let a definition of a tool meet the pins of roles",
  revokeTool: "Take approvals of a tool back",
  listApprovals: "All approvals",
  decisionEvents: "The events of one decision",
};

type Answers = { readonly [K in RemoteOperation]: ZodType<Awaited<ReturnType<Admin[K]>>> };

/** One schema for each operation that is open to an identity. */
export const operationAnswers: Answers = {
  status: z.strictObject({
    cluster: text,
    version: text,
    cas: z.array(z.strictObject({ kind: z.enum(CA_TYPES), expires: time, rotation })),
    ...reached,
  }),
  trust: trustBundle,
  rotateCa: rotation,
  createResources: z.array(
    z.strictObject({ kind, name: text, change: z.enum(["created", "updated"]) }),
  ),
  getResources: z.array(resource),
  removeResource: z.strictObject({ kind, name: text }),
  addBot: z.strictObject({
    bot: text,
    token: text,
    method,
    expires: time.exactOptional(),
    ttl: seconds.exactOptional(),
    roles: texts,
    ...reached,
  }),
  listBots: z.array(bot),
  updateBot: z.strictObject({ changed: z.boolean(), bot }),
  removeBot: named,
  listInstances: z.array(instance),
  addToken: z.strictObject({ bot: text, ...newToken }),
  addHostToken: z.strictObject({
    roles: hostRoles,
    apps: texts.exactOptional(),
    ...newToken,
    ...reached,
  }),
  listTokens: z.array(token),
  removeToken: token,
  addLock: z.strictObject({
    name: text,
    expires: time.exactOptional(),
    ended: z.array(ended),
    silent: texts.exactOptional(),
  }),
  listSessions: z.array(session),
  auditEvents: events,
  auditRecords: z.strictObject({
    records: z.array(z.strictObject({ seq: z.number().int(), text })),
    newest: z.number().int(),
    heads: z.array(signedHead),
    publicKey: text,
  }),
  policyWorld: z.strictObject({
    roles: z.array(z.strictObject({ file: text, text })),
    bots: z.array(bot.pick({ name: true, roles: true, traits: true })),
    apps: z.array(z.strictObject({ name: text, labels: z.record(text, text) })),
  }),
  appTools: z.strictObject({
    tools: z.array(z.strictObject({ tool: z.looseObject({ name: text }), sha256: text }))
      .exactOptional(),
    problem: text.exactOptional(),
  }),
  approveTool: approval,
  revokeTool: z.array(approval),
  listApprovals: z.array(approval),
  decisionEvents: events,
};
