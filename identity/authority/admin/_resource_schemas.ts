/** The documents of bots, tokens, apps and locks; roles have a parser of their own. */
import { z } from "zod";
import {
  appFields,
  appLabels,
  appName,
  checkAppFields,
  labelCommand,
  labelName,
} from "../../config/app_schema.ts";
import { compilePattern } from "../../../policy/pattern/mod.ts";
import { parseDuration } from "../../duration.ts";
import {
  ID_TOKEN_METHODS,
  KEYPAIR_METHOD,
  keypairSection,
  METHODS,
  type TokenRules,
  unsupportedMethod,
} from "../../join/mod.ts";
import { BOT_NAME, BOT_NAME_RULE } from "./_names.ts";

/** Shorter ones could be guessed through the public port. */
const MIN_TOKEN_CHARS = 8;
const TOKEN_ID = /^[0-9a-f]{64}$/;
const ONLY_BOT = "only roles: [Bot] is supported with this method";
const text = z.string().min(1, "it is empty").max(1024);
const time = z.iso.datetime({ offset: true, error: "write a time such as 2030-01-31T12:00:00Z" })
  .transform((value) => new Date(value));

/** Seconds, from a duration such as `12h`. */
const seconds = z.string().transform((value, context) => {
  const ms = parseDuration(value);
  if (ms !== undefined && ms >= 1000) return Math.floor(ms / 1000);
  context.addIssue({ code: "custom", message: `"${value}" is not a duration such as 12h` });
  return z.NEVER;
});

/** What `get` adds, `create` takes and leaves. */
const given = {
  namespace: z.string().optional(),
  revision: z.string().optional(),
  id: z.unknown().optional(),
};
const status = z.unknown().optional();
const metadata = <T extends z.ZodRawShape>(shape: T) => z.strictObject({ ...shape, ...given });

export const botSchema = z.strictObject({
  kind: z.literal("bot"),
  version: z.literal("v1"),
  metadata: metadata({
    name: z.string().regex(BOT_NAME, BOT_NAME_RULE),
    description: z.string().optional(),
  }),
  spec: z.strictObject({
    roles: z.array(text).default([]),
    traits: z.array(z.strictObject({ name: text, values: z.array(z.string()) })).default([]),
    max_session_ttl: seconds.optional(),
  }),
  status,
});

const tokenSpec = {
  roles: z.tuple([z.literal("Bot", ONLY_BOT)], ONLY_BOT),
  bot_name: z.string().regex(BOT_NAME, BOT_NAME_RULE),
};

/** A token that is a secret, good for one machine. */
export const tokenSchema = z.strictObject({
  kind: z.literal("token"),
  version: z.literal("v2"),
  metadata: metadata({
    name: z.string()
      .min(MIN_TOKEN_CHARS, `a token has at least ${MIN_TOKEN_CHARS} characters`)
      .max(1024)
      .refine(
        (name) => !TOKEN_ID.test(name),
        "this is the id of a token, as `tctl get` shows it; write the secret itself",
      ),
    expires: time.optional(),
  }),
  spec: z.strictObject({
    ...tokenSpec,
    join_method: z.literal("token", { error: ({ input }) => unsupportedMethod(input) })
      .default("token"),
  }),
  status,
});

/** Methods by which a machine proves itself each time. */
export const PROVEN_METHODS = [KEYPAIR_METHOD, ...ID_TOKEN_METHODS] as const;

/** A name of apps in which `*` stands for any run of characters, or an expression. */
export const appPattern = text.superRefine((source, context) => {
  const compiled = compilePattern(source);
  if (!compiled.ok) context.addIssue({ code: "custom", message: compiled.message });
});

const HOST_ROLES = { App: "agent", Node: "agent", Proxy: "relay" } as const;
const HOST_ROLE_RULE =
  "agents are `App`, relays `Proxy`; a `Bot` has a token of its own, and authorities do not join: " +
  "they share a store";

/** A secret that agents and relays join with, any number of them until it expires. */
export const hostTokenSchema = z.strictObject({
  kind: z.literal("token"),
  version: z.literal("v2"),
  metadata: tokenSchema.shape.metadata,
  spec: z.strictObject({
    roles: z.array(z.enum(["App", "Node", "Proxy"], HOST_ROLE_RULE)).min(1)
      .transform((roles) => [...new Set(roles.map((role) => HOST_ROLES[role]))]),
    join_method: z.literal("token", "hosts join by `join_method: token` only").default("token"),
    allow: z.array(z.strictObject({ apps: z.array(appPattern).min(1) })).optional(),
  }).refine(
    ({ allow, roles }) => allow === undefined || roles.includes("agent"),
    { path: ["allow"], message: "apps are served by agents: this needs the role `App`" },
  ),
  status,
});

/** A token that is no secret: a name for rules about who may join. */
export const methodTokenSchema = z.strictObject({
  kind: z.literal("token"),
  version: z.literal("v2"),
  metadata: metadata({
    name: z.string().regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
      "the name of such a token has letters, digits, dots, dashes and underscores",
    ),
    expires: time.optional(),
  }),
  spec: z.strictObject({
    ...tokenSpec,
    join_method: z.enum(PROVEN_METHODS),
    bound_keypair: keypairSection.optional(),
    github: METHODS.github.optional(),
    gitlab: METHODS.gitlab.optional(),
    kubernetes: METHODS.kubernetes.optional(),
    generic_oidc: METHODS.generic_oidc.optional(),
  }).transform((spec, context) => {
    const { bot_name: bot, join_method: method } = spec;
    for (const other of PROVEN_METHODS) {
      if ((spec[other] === undefined) === (other !== method)) continue;
      context.addIssue({
        code: "custom",
        path: [other],
        message: other === method
          ? `\`join_method: ${method}\` needs a section \`${method}\``
          : "a token has one method, and this is the section of another",
      });
    }
    if (method === KEYPAIR_METHOD) {
      return { bot, method, ...(spec.bound_keypair ?? keypairSection.parse({})) };
    }
    return { bot, method, rules: spec[method] ?? NO_RULES };
  }),
  status,
});

/** Allows nobody. */
const NO_RULES: TokenRules = { allow: [] };

export const appSchema = z.strictObject({
  kind: z.literal("app"),
  sub_kind: z.literal("mcp").optional(),
  version: z.literal("v3"),
  metadata: metadata({
    name: appName,
    description: z.string().default(""),
    labels: appLabels,
  }),
  spec: z.strictObject({
    ...appFields,
    // How the original writes `commands` in a resource.
    dynamic_labels: z.record(labelName, labelCommand).optional(),
  }).superRefine(checkAppFields),
  status,
});

export const lockSchema = z.strictObject({
  kind: z.literal("lock"),
  version: z.literal("v2"),
  metadata: metadata({ name: text, expires: time.optional() }),
  spec: z.strictObject({
    target: z.strictObject({
      user: z.string().regex(/^bot-[A-Za-z0-9._-]{1,128}$/, "write bot- and the bot's name")
        .optional(),
      bot_instance_id: text.optional(),
      role: text.optional(),
      app: text.optional(),
      join_token: text.optional(),
      server_id: z.string().regex(/^[0-9a-f]{32}$/, "a host's id has 32 hex digits").optional(),
    }).refine(
      (target) => Object.values(target).filter((value) => value !== undefined).length === 1,
      "a lock has one target: `user`, `bot_instance_id`, `role`, `app`, `join_token` or `server_id`",
    ),
    message: z.string().max(1024).default(""),
    expires: time.optional(),
  }),
  status,
});
