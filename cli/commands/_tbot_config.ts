/** Options of the command line as a configuration file, so that both are checked alike. */
import { stringify } from "yaml";
import type { ConfigOverrides } from "../../identity/bot/mod.ts";
import { DEFAULT_STORAGE } from "../../identity/bot/mod.ts";
import { parseDestinationUri } from "../../identity/destination/mod.ts";
import type { DestinationSpec } from "../../identity/destination/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { GlobalOptions, IdentityOptions, JoinOptions } from "./_tbot_options.ts";

/** The configuration file that says what the options of `start identity` say. */
export function identityConfigText(
  options: IdentityOptions & GlobalOptions,
  env: TbotHost["env"],
): string {
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
    services: [defined({
      type: "identity",
      name: options.name,
      destination: destination(parseDestinationUri(options.destination), [
        ...(options.readerUser ?? []).map((user) => ({ user })),
        ...(options.readerGroup ?? []).map((group) => ({ group })),
      ]),
      cluster: options.cluster,
      allow_reissue: options.allowReissue,
    })],
  }));
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
