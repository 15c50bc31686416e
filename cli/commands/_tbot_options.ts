/** The options of tbot's commands, under the names that the original gives them. */
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { ID_TOKEN_METHODS } from "../../identity/join/mod.ts";
import { isPin, parseDuration } from "../../identity/mod.ts";
import type { LogFormat } from "../log.ts";
import type { TbotHost } from "./_tbot_host.ts";

// Type aliases, since the library asks for types that an index signature fits.
export type GlobalOptions = {
  config?: string;
  debug?: true;
  logFormat?: LogFormat;
  insecure?: true;
};

const JOIN_METHODS = ["token", "bound_keypair", ...ID_TOKEN_METHODS] as const;
type JoinMethod = typeof JOIN_METHODS[number];

export type JoinOptions = {
  proxyServer?: string;
  token?: string;
  joinMethod?: JoinMethod;
  joinUri?: string;
  registrationSecret?: string;
  registrationSecretPath?: string;
  staticKeyPath?: string;
  caPin?: string[];
  oneshot?: true;
  diagAddr?: string;
  pidFile?: string;
};

/** What every service takes that is described on the command line. */
export type ServiceOptions = JoinOptions & {
  storage?: string;
  name?: string;
  credentialTtl?: string;
  certificateTtl?: string;
  renewalInterval?: string;
};

/** What those take that write files. */
export type OutputOptions = ServiceOptions & {
  destination: string;
  readerUser?: string[];
  readerGroup?: string[];
};

export type IdentityOptions = OutputOptions & { cluster?: string; allowReissue?: true };

export type ApplicationOptions = OutputOptions & { app: string; specificTlsExtensions?: true };

export type TunnelOptions = ServiceOptions & {
  app: string;
  listen: string;
  allowedHost?: string[];
};

export type TbotRoot = Command<[], GlobalOptions>;

/** tbot itself, with the options that stand before and after every command. */
export function tbotRoot({ stdout, stderr }: TbotHost): TbotRoot {
  return new Command("tbot")
    // Commands made from this one inherit both: nothing ends the process or writes past the host.
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .description("Joins a machine to the cluster, and keeps its short-lived identity fresh")
    .option("-c, --config <path>", "path to a configuration file")
    .option("-d, --debug", "log in detail")
    .addOption(
      new Option("--log-format <format>", "text for people (on a terminal), or json for programs")
        .choices(["text", "json"] as const),
    )
    .option("--insecure", "do not verify the authority when joining; for experiments only");
}

/** The options that say where and how to join. */
export function withJoinOptions(command: Command): Command<[], JoinOptions> {
  return command
    .option("--proxy-server <host:port>", "public address of the cluster")
    .option("--token <token>", "join token, or the absolute path of a file with it")
    .addOption(
      new Option("--join-method <method>", "how to join").choices(JOIN_METHODS),
    )
    .option("--join-uri <uri>", "where and how to join, in one line")
    .option("--registration-secret <secret>", "secret to register a key with, for bound_keypair")
    .option("--registration-secret-path <path>", "file that the secret is in")
    .option("--static-key-path <path>", "file with the key for bound_keypair, as it stays")
    .option("--ca-pin <sha256:hex>", "pin of the cluster's CA; may be repeated", collectPins)
    .option("--oneshot", "write the outputs once, then end")
    .option("--diag-addr <host:port>", "where to serve health and metrics")
    .option("--pid-file <path>", "file to write the process id to, while tbot runs");
}

function withServiceOptions(command: Command): Command<[], ServiceOptions> {
  return withJoinOptions(command)
    .option("--storage <uri>", "where tbot keeps its own identity")
    .option("--name <name>", "name of the service in logs")
    .option("--credential-ttl <duration>", "how long certificates last (1h)", duration)
    .option("--certificate-ttl <duration>", "old name of --credential-ttl", duration)
    .option("--renewal-interval <duration>", "how often certificates are renewed (20m)", duration);
}

function withOutputOptions(command: Command): Command<[], OutputOptions> {
  return withServiceOptions(command)
    .requiredOption("--destination <uri>", "where to write: a path, file:///path or memory://")
    .option("--reader-user <user>", "local user who may read the output; may be repeated", collect)
    .option(
      "--reader-group <group>",
      "local group that may read the output; may be repeated",
      collect,
    );
}

/** The options of an identity output that is described on the command line. */
export function withIdentityOptions(command: Command): Command<[], IdentityOptions> {
  return withOutputOptions(command)
    .option("--cluster <name>", "cluster that the identity must be for")
    .option("--allow-reissue", "let sessions be derived from the identity, as tsh needs");
}

/** The options of an application. */
export function withApplicationOptions(command: Command): Command<[], ApplicationOptions> {
  return withOutputOptions(command)
    .requiredOption("--app <name>", "the app that the certificate is for")
    .option("--specific-tls-extensions", "write tls.crt, tls.key and tls.cas as well");
}

/** The options of a tunnel. */
export function withTunnelOptions(command: Command): Command<[], TunnelOptions> {
  return withServiceOptions(command)
    .requiredOption("--app <name>", "the app that the tunnel leads to")
    .requiredOption("--listen <uri>", "where MCP clients find it: tcp://127.0.0.1:PORT")
    .option(
      "--allowed-host <name>",
      "a name of this machine that clients may ask for, beside localhost; may be repeated",
      collect,
    );
}

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export function collectPins(value: string, before: string[] | undefined): string[] {
  // Several pins may be given at once, with commas between them.
  const pins = value.split(",").map((pin) => pin.trim());
  if (!pins.every(isPin)) throw new InvalidArgumentError("Expected sha256: and 64 hex digits.");
  return [...(before ?? []), ...pins];
}

function duration(value: string): string {
  if (parseDuration(value) !== undefined) return value;
  throw new InvalidArgumentError("Expected a duration such as 1h, 20m or 1h30m.");
}
