/** Options of the command line as a configuration file, so that both are checked alike. */
import { stringify } from "yaml";
import type { ConfigOverrides, JoinUri } from "../../identity/bot/mod.ts";
import { DEFAULT_STORAGE, parseJoinUri } from "../../identity/bot/mod.ts";
import { parseDestinationUri } from "../../identity/destination/mod.ts";
import type { DestinationSpec } from "../../identity/destination/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
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
  const uri = joinUri(options);
  const token = options.token ?? uri?.token ?? env["TELEPORT_BOT_TOKEN"];
  const joinMethod = options.joinMethod ?? uri?.joinMethod ??
    (token === undefined ? undefined : "token");
  const ttl = options.credentialTtl ?? options.certificateTtl;
  return stringify(defined({
    version: "v2",
    debug: options.debug,
    proxy_server: options.proxyServer ?? uri?.proxyServer ?? env["TELEPORT_PROXY"],
    insecure: options.insecure,
    oneshot: options.oneshot,
    diag_addr: options.diagAddr,
    credential_ttl: ttl,
    renewal_interval: options.renewalInterval,
    onboarding: defined({
      join_method: joinMethod,
      token,
      bound_keypair: joinMethod === "bound_keypair" ? keypairSection(options, env, uri) : undefined,
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

/** The URI says all of what other options say one by one. */
function joinUri(options: JoinOptions): JoinUri | undefined {
  if (options.joinUri === undefined) return undefined;
  const { joinMethod, proxyServer, token } = options;
  if (joinMethod === undefined && proxyServer === undefined && token === undefined) {
    return parseJoinUri(options.joinUri);
  }
  throw new IdentityError("CONFIG_INVALID", "Cannot use --join-uri beside what it says itself", {
    hint: "Leave out --proxy-server, --token and --join-method",
  });
}

function keypairSection(
  options: JoinOptions,
  env: TbotHost["env"],
  uri: JoinUri | undefined,
): object | undefined {
  const secret = givenSecret(options, env);
  const section = defined({
    registration_secret: secret === undefined
      ? uri?.registrationSecret
      : "text" in secret
      ? secret.text
      : undefined,
    registration_secret_path: secret && "path" in secret ? secret.path : undefined,
    static_private_key_path: options.staticKeyPath,
  });
  return Object.keys(section).length === 0 ? undefined : section;
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
      joinUri: options.joinUri,
      registrationSecret: givenSecret(options, env),
      staticKey: options.staticKeyPath === undefined
        ? givenStaticKey(env)
        : { path: options.staticKeyPath },
    }),
  };
}

/** What a configuration file has no place for: a private key in the environment. */
export function environmentKey(env: TbotHost["env"]): ConfigOverrides {
  return defined({ staticKey: givenStaticKey(env) });
}

function givenSecret(
  { registrationSecret: text, registrationSecretPath: path }: JoinOptions,
  env: TbotHost["env"],
): ConfigOverrides["registrationSecret"] {
  if (text !== undefined) return { text, from: "--registration-secret" };
  if (path !== undefined) return { path };
  const variable = env[REGISTRATION_SECRET];
  return variable === undefined ? undefined : { text: variable, from: REGISTRATION_SECRET };
}

function givenStaticKey(env: TbotHost["env"]): ConfigOverrides["staticKey"] {
  const text = env[STATIC_KEY];
  return text === undefined ? undefined : { text, from: STATIC_KEY };
}

const REGISTRATION_SECRET = "TBOT_REGISTRATION_SECRET";
const STATIC_KEY = "TBOT_BOUND_KEYPAIR_STATIC_KEY";

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
