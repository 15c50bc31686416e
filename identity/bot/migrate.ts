/** Rewrites a configuration of the original's first version, which had destinations for outputs. */
import { stringify } from "yaml";
import * as z from "zod";
import { checkYaml, parseYaml } from "../config/yaml.ts";
import { IdentityError } from "../error.ts";
import { unsupportedService } from "./unsupported.ts";

const text = z.string().min(1, "expected some text");

const directory = z.union([
  text.transform((path) => ({ path })),
  z.strictObject({
    path: text,
    symlinks: text.optional(),
    acls: text.optional(),
  }),
], { error: "expected a path, or a map with `path`" });

const memory = z.union([z.boolean(), z.strictObject({})], { error: "expected `true`" });

const place = { directory: directory.optional(), memory: memory.optional() };

/** A template of files; the ones that matter here have no fields that we need. */
const template = z.union([text, z.record(z.string(), z.unknown())]);

function other(type: string) {
  return z.never({ error: unsupportedService(type) }).optional();
}

const v1 = z.strictObject({
  version: z.literal("v1").or(z.literal("")).optional(),
  debug: z.boolean().optional(),
  auth_server: text.optional(),
  certificate_ttl: text.optional(),
  renewal_interval: text.optional(),
  oneshot: z.boolean().optional(),
  fips: z.boolean().optional(),
  diag_addr: text.optional(),
  onboarding: z.strictObject({
    token: z.union([text, z.number().transform(String)]).optional(),
    join_method: text.optional(),
    ca_path: text.optional(),
    ca_pins: z.array(text).optional(),
  }).optional(),
  storage: z.strictObject(place).optional(),
  destinations: z.array(z.strictObject({
    ...place,
    roles: z.array(text).optional(),
    cluster: text.optional(),
    app: text.optional(),
    kubernetes_cluster: other("kubernetes"),
    database: other("database"),
    configs: z.array(template).optional(),
  })).optional(),
});

type V1 = z.infer<typeof v1>;
type Place = Pick<V1["storage"] & object, "directory" | "memory">;

export interface Migrated {
  /** The configuration in version 2. */
  readonly text: string;
  /** What whoever reads it should look at. */
  readonly warnings: readonly string[];
}

/** Throws `CONFIG_INVALID`, also for a file that is no such configuration. */
export function migrateBotConfig(yaml: string, file: string): Migrated {
  const source = parseYaml(yaml, file);
  if (source.document.get("version") === "v2") {
    throw new IdentityError("CONFIG_INVALID", `Cannot migrate ${file}: it is of version 2 already`);
  }
  const old = checkYaml(source, v1);
  const warnings: string[] = [];
  if (old.auth_server !== undefined) {
    warnings.push(
      "`auth_server` has become `proxy_server`: it must be the address of the cluster's public port",
    );
  }
  const { onboarding } = old;
  const services = (old.destinations ?? []).map((destination) => serviceOf(destination, warnings));
  const config = defined({
    version: "v2",
    debug: old.debug,
    proxy_server: old.auth_server,
    credential_ttl: old.certificate_ttl,
    renewal_interval: old.renewal_interval,
    oneshot: old.oneshot,
    fips: old.fips,
    diag_addr: old.diag_addr,
    onboarding: onboarding && defined({
      join_method: onboarding.join_method ?? (onboarding.token && "token"),
      token: onboarding.token,
      ca_path: onboarding.ca_path,
      ca_pins: onboarding.ca_pins,
    }),
    storage: old.storage && destinationOf(old.storage),
    services,
  });
  return { text: stringify(config), warnings };
}

/** Files that were asked for by a template, and are asked for by a type of service since. */
const NOT_HERE: ReadonlyMap<string, string> = new Map([
  ["ssh_host", "ssh_host"],
  ["kubernetes", "kubernetes"],
  ["mongo", "database"],
  ["cockroach", "database"],
]);

function serviceOf(
  { app, cluster, configs = [], roles, ...place }: NonNullable<V1["destinations"]>[number],
  warnings: string[],
): Record<string, unknown> {
  const templates = configs.map((it) => typeof it === "string" ? it : Object.keys(it)[0] ?? "");
  for (const name of templates) {
    const type = NOT_HERE.get(name);
    if (type !== undefined) {
      warnings.push(`the template ${name} is left out: ${unsupportedService(type)}`);
    }
  }
  const destination = destinationOf(place);
  return app === undefined ? defined({ type: "identity", roles, destination, cluster }) : defined({
    type: "application",
    roles,
    destination,
    app_name: app,
    specific_tls_naming: templates.includes("tls") ? true : undefined,
  });
}

function destinationOf({ directory, memory }: Place): Record<string, unknown> {
  if (directory === undefined || memory) return { type: "memory" };
  return { type: "directory", ...directory };
}

function defined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
