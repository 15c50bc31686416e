/** The shapes of the services in tbot's configuration. */
import * as z from "zod";
import { destination, duration, text } from "./_schema.ts";

/** Names that the original keeps for its own services, and one that is ours. */
const RESERVED = [
  "ca-rotation",
  "configuration",
  "crl-cache",
  "heartbeat",
  "identity",
  "spiffe-trust-bundle-cache",
];

const common = {
  name: z.string().regex(/^[A-Za-z0-9_+-]+$/, "a name has letters, digits, and - _ +")
    .refine((name) => !RESERVED.includes(name), "this name is reserved").optional(),
  roles: z.array(text).min(1).optional(),
  credential_ttl: duration.optional(),
  renewal_interval: duration.optional(),
};

const appName = z.string({
  error: (issue) => issue.input === undefined ? "the name of an app is missing" : undefined,
}).min(1, "expected the name of an app").max(256);

/** The names of a machine that a request may be made for; without a port, which may differ. */
const hostName = z.string().regex(
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])$/,
  "expected the name or the address of this machine, without a port",
);

const listen = z.string({
  error: (issue) =>
    issue.input === undefined ? "write where to listen: tcp://127.0.0.1:PORT" : undefined,
}).transform((written, context) => {
  const match = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(written);
  const port = Number(match?.[2]);
  if (match?.[1] !== undefined && port <= 65_535) {
    return { host: match[1].replace(/^\[|\]$/g, ""), port };
  }
  const message = written.startsWith("unix:")
    ? "MCP clients speak HTTP over TCP: write tcp://127.0.0.1:PORT"
    : `"${written}" is no address to listen on: write tcp://127.0.0.1:PORT`;
  context.issues.push({ code: "custom", input: written, message });
  return z.NEVER;
});

export const identitySchema = z.strictObject({
  type: z.literal("identity"),
  ...common,
  destination,
  cluster: text.optional(),
  ssh_config: z.literal("off", {
    error: "tbot serves no SSH and writes no ssh_config: leave it out or set `ssh_config: off`",
  }).optional(),
  allow_reissue: z.boolean().optional(),
});

export const applicationSchema = z.strictObject({
  type: z.literal("application"),
  ...common,
  destination,
  app_name: appName,
  specific_tls_naming: z.boolean().optional(),
});

export const tunnelSchema = z.strictObject({
  type: z.literal("application-tunnel"),
  ...common,
  app_name: appName,
  listen,
  allowed_hosts: z.array(hostName).min(1).optional(),
}).superRefine(({ listen: { host }, allowed_hosts }, context) => {
  if (isLoopback(host) || allowed_hosts !== undefined) return;
  context.addIssue({
    code: "custom",
    path: ["listen"],
    message: `whoever reaches ${host} acts as the bot: listen on 127.0.0.1, or name in ` +
      "`allowed_hosts` under which names this machine may be asked",
  });
});

/** Whether an address to listen on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export type RawIdentity = z.infer<typeof identitySchema>;
export type RawApplication = z.infer<typeof applicationSchema>;
export type RawTunnel = z.infer<typeof tunnelSchema>;
export type RawService = RawIdentity | RawApplication | RawTunnel;

/** By type: the services that there are. */
export const SERVICE_SCHEMAS = {
  "identity": identitySchema,
  "application": applicationSchema,
  "application-tunnel": tunnelSchema,
} as const;
