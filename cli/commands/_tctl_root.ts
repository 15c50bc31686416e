/** What every command of tctl shares: its global options, and the way to the cluster. */
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Admin } from "../../identity/authority/admin/mod.ts";
import {
  checkIdentity,
  IdentityError,
  parseDuration,
  plainJson,
  readIdentityFile,
} from "../../identity/mod.ts";
import { visible } from "../visible.ts";
import type { ClusterConfig } from "../config/teleport_yaml.ts";
import type { TctlHost } from "./_tctl_host.ts";

// A type alias, since the library asks for a type that an index signature fits.
export type TctlOptions = {
  authServer?: string;
  config?: string;
  dataDir?: string;
  debug?: true;
  identity?: string;
  proxy?: string;
};

export type TctlRoot = Command<[], TctlOptions>;

/** What a command works with. */
export interface Tctl {
  readonly host: TctlHost;
  /** Runs `work` on the cluster's administration, and lets go of it however that ends. */
  withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T>;
  /** Prints lines for people; nothing in them can disturb a terminal. */
  say(...lines: readonly string[]): void;
  /** Prints for programs. */
  data(format: Exclude<Format, "text">, value: unknown): Promise<void>;
}

export function tctlRoot({ stdout, stderr }: TctlHost): TctlRoot {
  return new Command("tctl")
    // Commands made from this one inherit both: nothing ends the process or writes past the host.
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: true })
    .description(
      "Administers the cluster whose data is on this host, or another one with an identity",
    )
    .option("-c, --config <path>", "the authority's configuration file, teleport.yaml")
    .option("--data-dir <path>", "the authority's data directory")
    .option("-i, --identity <file>", "administer from afar, by the roles of this identity")
    .option("--auth-server <host:port>", "the cluster's public address, for --identity")
    .option("--proxy <host:port>", "the same")
    .option("-d, --debug", "log in detail");
}

export function tctlContext(host: TctlHost, root: TctlRoot): Tctl {
  return {
    host,
    withAdmin: (work) => withAdmin(host, root.opts(), work),
    say: (...lines) => void host.stdout.write(lines.map((line) => `${visible(line)}\n`).join("")),
    data: async (format, value) => void host.stdout.write((await formatter(format))(value)),
  };
}

/** Runs `work` on the administration of the cluster that the options point at. */
export async function withAdmin<T>(
  host: TctlHost,
  options: TctlOptions,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const remote = remoteOptions(options, host.env);
  if (remote) return await work(await remoteAdmin(remote, host));
  const { openAdmin } = await import("../../identity/authority/admin/client/mod.ts");
  const { dataDir, keyEncryption, storage } = await dataDirectory(options, host);
  const { clock } = host;
  const log = host.openLog({ debug: options.debug === true });
  const sealing = async () => {
    if (keyEncryption === undefined) return undefined;
    const { readSealingKeys } = await import("./_sealing_keys.ts");
    return await readSealingKeys(keyEncryption, clock);
  };
  const database = storage && (async () => {
    const { readDatabase } = await import("./_database.ts");
    return await readDatabase(storage, clock);
  });
  await using connection = await openAdmin({
    dataDir,
    clock,
    log,
    sealing,
    ...(database && { database }),
  });
  return await work(connection.admin);
}

interface RemoteOptions {
  readonly identity: string;
  readonly proxy: string;
}

/**
 * Whether somebody wants another cluster than that of this host. Only an option says so; what it
 * leaves open may stand in the original's variables, which tsh has as well.
 */
function remoteOptions(
  { authServer, config, dataDir, identity, proxy }: TctlOptions,
  env: TctlHost["env"],
): RemoteOptions | undefined {
  if (identity === undefined && authServer === undefined && proxy === undefined) return undefined;
  const fail = (found: string, hint: string) =>
    new IdentityError("BAD_REQUEST", `Cannot administer from afar: ${found}`, { hint });
  if (config !== undefined || dataDir !== undefined) {
    throw fail(
      `${config === undefined ? "--data-dir" : "--config"} is for the cluster of this host`,
      "Leave it out, or leave out --identity, --auth-server and --proxy",
    );
  }
  if (authServer !== undefined && proxy !== undefined && authServer !== proxy) {
    throw fail("--auth-server and --proxy differ", "Give one of them");
  }
  const from = identity ?? env["TELEPORT_IDENTITY_FILE"];
  if (!from) throw fail("no identity is given", "Add -i with the file that tbot writes");
  const to = authServer ?? proxy ?? env["TELEPORT_AUTH_SERVER"] ?? env["TELEPORT_PROXY"];
  if (!to) {
    throw fail("no cluster is given", "Add --auth-server with its public address, as host:port");
  }
  return { identity: from, proxy: to };
}

async function remoteAdmin({ identity: path, proxy }: RemoteOptions, { clock }: TctlHost) {
  const { remoteAdminClient } = await import("../../identity/authority/admin/client/mod.ts");
  const identity = await readIdentityFile(path);
  checkIdentity(identity, clock.now());
  return remoteAdminClient({
    proxy,
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials: { certificate: identity.tlsCertificate, key: identity.key },
  });
}

/** `--data-dir`, or what the configuration says, or where a cluster without one keeps its data. */
export async function dataDirectory(
  options: TctlOptions,
  { env }: Pick<TctlHost, "env">,
): Promise<Pick<ClusterConfig, "dataDir" | "keyEncryption" | "storage">> {
  const { defaultDataDir, readClusterConfig } = await import("../config/teleport_yaml.ts");
  const path = options.config ?? (env["TELEPORT_CONFIG_FILE"] || undefined);
  if (path === undefined) return { dataDir: options.dataDir ?? defaultDataDir() };
  // A directory without a configuration file needs none, even if the environment names one.
  if (options.dataDir !== undefined && options.config === undefined) {
    return { dataDir: options.dataDir };
  }
  const config = readClusterConfig(path);
  return options.dataDir === undefined ? config : { ...config, dataDir: options.dataDir };
}

/**
 * Writes values for programs. Their strings stand in double quotes, where JSON and YAML escape alike,
 * and cannot disturb a terminal either: what one obeys is escaped.
 */
export async function formatter(
  format: Exclude<Format, "text">,
): Promise<(value: unknown) => string> {
  if (format === "json") return (value) => `${plainJson(JSON.stringify(value, undefined, 2))}\n`;
  const { stringify } = await import("yaml");
  const options = {
    defaultKeyType: "PLAIN",
    defaultStringType: "QUOTE_DOUBLE",
    lineWidth: 0,
  } as const;
  return (value) => plainYaml(stringify(value, options));
}

/** Unlike JSON's, YAML's escapes are of code points. */
function plainYaml(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu,
    (character) => `\\U${character.codePointAt(0)!.toString(16).padStart(8, "0")}`,
  );
}

export type Format = "text" | "json" | "yaml";

/** `--format text|json|yaml`. */
export function formatOption(): Option<
  "--format <format>",
  undefined,
  "text",
  undefined,
  false,
  Format
> {
  return new Option("--format <format>", "text for people, json or yaml for programs")
    .choices(["text", "json", "yaml"] as const).default("text" as const);
}

/** Seconds of a duration such as `1h30m`. */
export function seconds(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1000) return Math.floor(ms / 1000);
  throw new InvalidArgumentError("Expected a duration such as 1h, 30m or 1h30m.");
}

/** Names with commas between them; the option may be repeated. */
export function names(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((name) => name.trim()).filter((name) => name !== "")];
}
