/** Options of the command line as a configuration file, so that both are checked alike. */
import { stringify } from "yaml";
import type { ConfigOverrides } from "../../identity/bot/mod.ts";
import { DEFAULT_STORAGE } from "../../identity/bot/mod.ts";
import { parseDestinationUri } from "../../identity/destination/mod.ts";
import type { DestinationSpec } from "../../identity/destination/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { GlobalOptions, JoinOptions, OutputOptions } from "./_tbot_options.ts";
import type { DescribedService } from "./_tbot_services.ts";

/** The configuration file that says what the options say: one service, and what is around it. */
export function configText(
  service: DescribedService,
  globals: GlobalOptions,
  env: TbotHost["env"],
): string {
  const options = { ...service.options, ...globals };
  const token = options.token ?? env["TELEPORT_BOT_TOKEN"];
  const ttl = options.credentialTtl ?? options.certificateTtl;
  return stringify(defined({
    version: "v2",
    debug: options.debug,
    proxy_server: options.proxyServer ?? env["TELEPORT_PROXY"],
    insecure: options.insecure,
    oneshot: options.oneshot,
    diag_addr: options.diagAddr,
    credential_ttl: ttl,
    renewal_interval: options.renewalInterval,
    onboarding: defined({
      join_method: options.joinMethod ?? (token === undefined ? undefined : "token"),
      token,
      ca_pins: options.caPin,
    }),
    storage: destination(parseDestinationUri(options.storage ?? DEFAULT_STORAGE)),
    services: [defined({ type: service.type, name: options.name, ...fieldsOf(service) })],
  }));
}

/** What is particular to a service, under the names of the file. */
function fieldsOf({ type, options }: DescribedService): Record<string, unknown> {
  switch (type) {
    case "identity":
      return {
        destination: outputDestination(options),
        cluster: options.cluster,
        allow_reissue: options.allowReissue,
      };
    case "application":
      return {
        app_name: options.app,
        destination: outputDestination(options),
        specific_tls_naming: options.specificTlsExtensions,
      };
    case "application-tunnel":
      return {
        app_name: options.app,
        listen: options.listen,
        allowed_hosts: options.allowedHost,
      };
  }
}

function outputDestination({ destination: uri, readerGroup = [], readerUser = [] }: OutputOptions) {
  return destination(parseDestinationUri(uri), [
    ...readerUser.map((user) => ({ user })),
    ...readerGroup.map((group) => ({ group })),
  ]);
}

/** What the options and the environment set in place of a configuration file. */
export function overrides(
  options: JoinOptions & GlobalOptions,
  env: TbotHost["env"],
): ConfigOverrides {
  return {
    ...defined({
      proxyServer: options.proxyServer ?? env["TELEPORT_PROXY"],
      token: options.token ?? env["TELEPORT_BOT_TOKEN"],
      oneshot: options.oneshot,
      debug: options.debug ?? (isTrue(env["TBOT_DEBUG"]) ? true : undefined),
      caPins: options.caPin,
      insecure: options.insecure,
      diagAddr: options.diagAddr,
    }),
  };
}

/** How Go's flag parser reads a boolean from the environment. */
export function isTrue(value: string | undefined): boolean {
  return ["1", "t", "T", "true", "True", "TRUE"].includes(value ?? "");
}

function destination(
  spec: DestinationSpec,
  readers: readonly (Readonly<Record<string, string>>)[] = [],
): Record<string, unknown> {
  if (spec.type === "memory") return { type: "memory" };
  return {
    type: "directory",
    path: spec.path,
    ...(readers.length > 0 ? { readers } : {}),
  };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function defined<T extends Record<string, unknown>>(values: T): Partial<Defined<T>> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<Defined<T>>;
}
