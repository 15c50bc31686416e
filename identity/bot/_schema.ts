/** The shape of tbot's configuration, version 2. What relates several fields is in `parse_config.ts`. */
import * as z from "zod";
import { hostPort } from "../config/fields.ts";
import { parseDuration } from "../duration.ts";
import { KEYPAIR_METHOD } from "../join/keypair_section.ts";
import { ID_TOKEN_METHODS, unsupportedMethod } from "../join/methods.ts";
import { isPin } from "../pin.ts";
import { DESTINATION_TYPES, unsupportedDestination } from "./unsupported.ts";

/** Shortest lifetime or interval: below it a bot would do nothing but renew. */
const MIN_DURATION = 1_000;

export const duration = z.string({ error: "expected a duration such as 1h or 20m" })
  .transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= MIN_DURATION) return ms;
    context.issues.push({
      code: "custom",
      input: text,
      message: ms === undefined
        ? `"${text}" is no duration: write one such as 1h, 20m or 1h30m`
        : `"${text}" is too short: at least 1s`,
    });
    return z.NEVER;
  });

export const text = z.string().min(1, "expected some text");

const account = z.string().regex(
  /^[A-Za-z0-9_][A-Za-z0-9._-]*\$?$/,
  "expected the name of a user or group",
);

const reader = z.union([
  z.strictObject({ user: account }),
  z.strictObject({ group: account }),
], { error: "expected `user: name` or `group: name`" });

/** A destination; which fields a type takes is told by `destinationProblem()`. */
export const destination = z.strictObject({
  type: z.enum(DESTINATION_TYPES, {
    error: (issue) =>
      issue.input === undefined
        ? "a destination needs a `type`: directory or memory"
        : unsupportedDestination(String(issue.input)),
  }),
  path: text.optional(),
  symlinks: z.enum(["try-secure", "secure", "insecure"]).optional(),
  acls: z.enum(["try", "off", "required"]).optional(),
  readers: z.array(reader).optional(),
}).superRefine((value, context) => {
  const { type, path, ...rest } = value;
  if (type === "directory" && path === undefined) {
    context.addIssue({ code: "custom", message: "a directory needs a `path`" });
  }
  if (type === "memory" && (path !== undefined || Object.keys(rest).length > 0)) {
    context.addIssue({ code: "custom", message: "the memory takes nothing beside its type" });
  }
});

const UNSUPPORTED = {
  auth_server: "tbot reaches the authority through the cluster's port: use `proxy_server`",
} as const;

/** A key of the original's that is known here, so that it is refused with a reason. */
function unsupported(key: keyof typeof UNSUPPORTED) {
  return z.never({ error: UNSUPPORTED[key] }).optional();
}

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of a variable");

const onboarding = z.strictObject({
  token: text.optional(),
  join_method: z.enum(["token", KEYPAIR_METHOD, ...ID_TOKEN_METHODS], {
    error: (issue) => unsupportedMethod(issue.input),
  }).optional(),
  bound_keypair: z.strictObject({
    registration_secret: text.optional(),
    registration_secret_path: text.optional(),
    static_private_key_path: text.optional(),
    // The name in the original's documentation.
    static_key_path: text.optional(),
  }).refine(
    (given) =>
      given.registration_secret === undefined || given.registration_secret_path === undefined,
    "write `registration_secret` or `registration_secret_path`, one of them",
  ).refine(
    (given) => given.static_private_key_path === undefined || given.static_key_path === undefined,
    "`static_key_path` is another name of `static_private_key_path`: keep one",
  ).optional(),
  gitlab: z.strictObject({ token_env_var_name: variable }).optional(),
  kubernetes: z.strictObject({ token_path: text }).optional(),
  generic_oidc: z.strictObject({
    env: variable.optional(),
    command: z.array(text).min(1).optional(),
  }).refine(
    ({ env, command }) => (env === undefined) !== (command === undefined),
    "write `env`, the variable with the token, or `command`, which prints it",
  ).optional(),
  ca_pins: z.array(z.string().refine(isPin, "expected sha256: and 64 hex digits")).optional(),
  ca_path: text.optional(),
}).refine(({ token, join_method }) => token === undefined || join_method !== undefined, {
  error: "a `token` needs a `join_method` beside it, such as token",
}).superRefine((onboarding, context) => {
  const { join_method, token } = onboarding;
  for (const method of [KEYPAIR_METHOD, "gitlab", "kubernetes", "generic_oidc"] as const) {
    if (onboarding[method] === undefined || join_method === method) continue;
    const message = `\`${method}\` is for \`join_method: ${method}\``;
    context.addIssue({ code: "custom", path: [method], message });
  }
  if (join_method === undefined || join_method === "token") return;
  if (token === undefined) {
    const message = `\`join_method: ${join_method}\` needs a \`token\`: the name of the join token`;
    context.addIssue({ code: "custom", path: ["token"], message });
  }
  if (join_method === "generic_oidc" && onboarding.generic_oidc === undefined) {
    const message = "write where its token comes from: `generic_oidc` with `env` or `command`";
    context.addIssue({ code: "custom", path: ["join_method"], message });
  }
});

export const rootSchema = z.strictObject({
  version: z.literal("v2", {
    error: (issue) =>
      issue.input === undefined || issue.input === "v1"
        ? "only version 2 is supported: write `version: v2`, or have `tbot migrate` rewrite the file"
        : `unrecognized config version "${issue.input}": write \`version: v2\``,
  }),
  debug: z.boolean().optional(),
  proxy_server: text.optional(),
  auth_server: unsupported("auth_server"),
  join_uri: text.optional(),
  credential_ttl: duration.optional(),
  certificate_ttl: duration.optional(),
  renewal_interval: duration.optional(),
  oneshot: z.boolean().optional(),
  fips: z.literal(false, { error: "FIPS mode is not supported" }).optional(),
  insecure: z.boolean().optional(),
  diag_addr: hostPort.optional(),
  onboarding: onboarding.optional(),
  storage: destination.optional(),
  services: z.array(z.unknown()).optional(),
  outputs: z.array(z.unknown()).optional(),
});

export type RawConfig = z.infer<typeof rootSchema>;
export type RawDestination = z.infer<typeof destination>;
