/** `teleport.yaml`, as far as MCP access goes: for relay, authority and agent, together or apart. */
import { readFileSync } from "node:fs";
import type { BlockList } from "node:net";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import {
  checkYaml,
  hostPort,
  invalidConfig,
  oneOrMany,
  parseYaml,
  period,
  placeOf,
  toggle,
} from "../../identity/config/mod.ts";
import type { HostPort, Source } from "../../identity/config/mod.ts";
import { DEFAULT_NEWS_AGES, IdentityError } from "../../identity/mod.ts";
import { networks, networkText } from "./networks.ts";
import { AUDIT_DEFAULTS, auditSchema, type AuditSection } from "./audit_section.ts";
import { type AppSection, appSectionSchema, readAppSection } from "./app_section.ts";
import { type KeyEncryption, keyEncryptionSchema } from "./key_encryption_section.ts";
import { type SharedStorage, storageSchema } from "./storage_section.ts";
import { joiningFields, type JoiningSection, readJoining } from "./joining_section.ts";
import { readTracing, tracingSchema, type TracingSection } from "./tracing_section.ts";

/** What the programs of a cluster need to know; each section adds what it says. */
export interface ClusterConfig extends AppSection, AuditSection {
  /** The file that says all this, if one does. */
  readonly file: string | undefined;
  readonly dataDir: string;
  /** The stored name, or the default of a new cluster, when absent. */
  readonly clusterName: string | undefined;
  /** What this process is; one of them at the least. */
  readonly services: Services;
  /** The public port, of a relay. */
  readonly listen: HostPort;
  /** Load balancers in front of the public port, which speak PROXY protocol. */
  readonly balancers?: BlockList;
  /** A port of the authority alone, which other relays and agents reach. */
  readonly authorityListen: HostPort | undefined;
  /** How to reach an authority that is elsewhere. */
  readonly joining: JoiningSection | undefined;
  /** Milliseconds that a relay lets connections finish when it is stopped. */
  readonly drainMs: number;
  /** What this machine calls itself; what the system says when absent. */
  readonly nodename: string | undefined;
  /** Addresses that clients use, `host:port`. */
  readonly publicAddrs: readonly string[];
  /** Where health and metrics are served; nowhere without it. */
  readonly diagnostics: HostPort | undefined;
  readonly tracing: TracingSection | undefined;
  /** What private keys are encrypted with; nothing without it. */
  readonly keyEncryption?: KeyEncryption;
  /** Where the state is that authorities share; in the data directory without it. */
  readonly storage?: SharedStorage;
}

/** The original's public port; on loopback, since nothing says that others may come. */
export const DEFAULT_LISTEN: HostPort = { host: "127.0.0.1", port: 3080 };

/** Which of the three a process is. */
export interface Services {
  readonly authority: boolean;
  readonly relay: boolean;
  readonly agent: boolean;
}

/** The original's port of the authority. */
const AUTHORITY_PORT = 3025;
/** Connections that have not finished by then are cut; systemd kills after 90 s. */
const DEFAULT_DRAIN_MS = 30_000;

const disabledService = z.looseObject({ enabled: toggle.optional() });

const schema = z.strictObject({
  version: z.string().optional(),
  teleport: z.strictObject({
    nodename: z.string().optional(),
    data_dir: z.string().min(1).optional(),
    log: z.looseObject({}).optional(),
    diag_addr: hostPort.optional(),
    storage: storageSchema.optional(),
    ...joiningFields,
  }).default({}),
  auth_service: z.strictObject({
    enabled: toggle.default(true),
    cluster_name: z.string().regex(
      /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
      "a cluster's name is a lower-case DNS name",
    ).optional(),
    listen_addr: hostPort.optional(),
    proxy_listener_mode: z.string().optional(),
    key_encryption: keyEncryptionSchema.optional(),
  }).default({ enabled: true }),
  proxy_service: z.strictObject({
    enabled: toggle.default(true),
    web_listen_addr: hostPort.optional(),
    public_addr: oneOrMany.default([]),
    listen_addr: z.string().optional(),
    drain_timeout: period(0).default(DEFAULT_DRAIN_MS),
    proxy_protocol: toggle.default(false),
    proxy_protocol_from: z.array(networkText).default([]),
  }).default({
    enabled: true,
    public_addr: [],
    drain_timeout: DEFAULT_DRAIN_MS,
    proxy_protocol: false,
    proxy_protocol_from: [],
  }),
  app_service: appSectionSchema,
  audit: auditSchema,
  tracing_service: tracingSchema,
  ssh_service: disabledService.optional(),
  db_service: disabledService.optional(),
  kubernetes_service: disabledService.optional(),
  windows_desktop_service: disabledService.optional(),
  discovery_service: disabledService.optional(),
});

type RawConfig = z.infer<typeof schema>;

/** The configuration of a cluster without a file: complete, private to this machine. */
export function defaultConfig(): ClusterConfig {
  return {
    file: undefined,
    dataDir: defaultDataDir(),
    clusterName: undefined,
    services: { authority: true, relay: true, agent: true },
    listen: DEFAULT_LISTEN,
    authorityListen: undefined,
    joining: undefined,
    drainMs: DEFAULT_DRAIN_MS,
    nodename: undefined,
    publicAddrs: [],
    apps: [],
    appSelectors: [{ "*": ["*"] }],
    agentLimits: {},
    appLimits: {},
    newsAges: DEFAULT_NEWS_AGES,
    audit: AUDIT_DEFAULTS,
    diagnostics: undefined,
    tracing: undefined,
  };
}

/** Where a cluster keeps its state when nothing else is said. */
export function defaultDataDir(): string {
  if (process.platform !== "win32" && userInfo().uid === 0) return "/var/lib/postern";
  const data = process.platform === "win32"
    ? process.env["LOCALAPPDATA"]
    : process.env["XDG_DATA_HOME"];
  return join(data || join(homedir(), ".local", "share"), "postern");
}

/** Reads a file; throws `CONFIG_INVALID` with every problem and its place. */
export function readClusterConfig(path: string): ClusterConfig {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("CONFIG_INVALID", `Cannot read the configuration ${path}: ${code}`, {
      hint: "Check the path after -c",
      cause,
    });
  }
  return parseClusterConfig(text, path);
}

export function parseClusterConfig(text: string, file: string): ClusterConfig {
  const source = parseYaml(text, file);
  const raw = checkYaml(source, schema);
  refuseWhatIsMissing(raw, source);
  const { key_encryption: keyEncryption } = raw.auth_service;
  const { storage } = raw.teleport;
  const services = {
    authority: raw.auth_service.enabled,
    relay: raw.proxy_service.enabled,
    agent: raw.app_service.enabled,
  };
  const joining = readJoining(raw.teleport, services, source);
  return {
    file,
    dataDir: raw.teleport.data_dir ?? defaultDataDir(),
    clusterName: raw.auth_service.cluster_name,
    services,
    listen: raw.proxy_service.web_listen_addr ?? DEFAULT_LISTEN,
    ...(raw.proxy_service.proxy_protocol && {
      balancers: networks(raw.proxy_service.proxy_protocol_from),
    }),
    authorityListen: raw.auth_service.listen_addr ??
      (services.authority && !services.relay
        ? { host: DEFAULT_LISTEN.host, port: AUTHORITY_PORT }
        : undefined),
    joining,
    drainMs: raw.proxy_service.drain_timeout,
    nodename: raw.teleport.nodename,
    publicAddrs: raw.proxy_service.public_addr,
    ...readAppSection(raw.app_service),
    audit: raw.audit,
    diagnostics: raw.teleport.diag_addr,
    tracing: readTracing(raw.tracing_service, source),
    ...(keyEncryption && { keyEncryption }),
    ...(storage && { storage }),
  };
}

function refuseWhatIsMissing(raw: RawConfig, source: Source): void {
  const problems = [];
  if (!raw.auth_service.enabled && !raw.proxy_service.enabled && !raw.app_service.enabled) {
    problems.push({
      at: placeOf(source, []),
      message: "there is nothing to do: every service is switched off",
      hint: "set enabled: yes for auth_service, proxy_service or app_service",
    });
  }
  const { proxy_protocol: on, proxy_protocol_from: from } = raw.proxy_service;
  if (on !== from.length > 0) {
    problems.push({
      at: placeOf(source, ["proxy_service", on ? "proxy_protocol" : "proxy_protocol_from"]),
      message: on
        ? "proxy_protocol needs proxy_protocol_from: whoever is believed could be anybody"
        : "proxy_protocol_from has no effect without proxy_protocol: on",
      hint: "set proxy_protocol: on, and list the load balancers, such as 10.0.0.0/24",
    });
  }
  const foreign = [
    "ssh_service",
    "db_service",
    "kubernetes_service",
    "windows_desktop_service",
    "discovery_service",
  ] as const;
  for (const service of foreign) {
    if (raw[service]?.enabled !== true) continue;
    problems.push({
      at: placeOf(source, [service, "enabled"]),
      message: `Postern has no ${service}`,
      hint: "it serves MCP apps only: remove the section or set enabled: no",
    });
  }
  if (problems.length > 0) throw invalidConfig(source.file, problems);
}
