/**
 * The address of a PostgreSQL database, in libpq's words. Stricter than libpq in one thing: unless
 * `sslmode` says otherwise, a database on another host has to prove who it is.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { IdentityError } from "../error.ts";

export interface PostgresAddress {
  /** A host name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Connections for reading, at most; there are two more, for writing and for following. */
  readonly readers: number;
  /** Undefined: in the clear. */
  readonly tls: PostgresTls | undefined;
}

/** As `tls.connect` takes it. */
export interface PostgresTls {
  readonly host: string;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const KNOWN = [
  "application_name",
  "dbname",
  "host",
  "password",
  "pool_max_conns",
  "port",
  "sslcert",
  "sslkey",
  "sslmode",
  "sslrootcert",
  "user",
];
const SSL_MODES = ["disable", "require", "verify-full"];
const DEFAULT_READERS = 4;

/** Throws `CONFIG_INVALID`, whose message never has anything of the string in it but its names. */
export function parsePostgresUrl(text: string): PostgresAddress {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw refuse("it is not a URL");
  }
  if (url.protocol !== "postgresql:" && url.protocol !== "postgres:") {
    throw refuse("it does not begin with postgresql://");
  }
  const unknown = [...url.searchParams.keys()].filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0) throw refuse(`it has options that Postern does not know: ${unknown}`);
  const option = (name: string) => url.searchParams.get(name) || undefined;
  const host = option("host") ?? decode(url.hostname).replace(/^\[|\]$/g, "");
  if (host === "") throw refuse("it names no host");
  if (host.includes(",")) throw refuse("it names several hosts; Postern takes one");
  const user = option("user") ?? decode(url.username);
  if (user === "") throw refuse("it names no user");
  const database = option("dbname") ?? (decode(url.pathname.slice(1)) || user);
  const tls = tlsOf(host, option);
  return {
    host,
    port: wholeNumber("port", option("port") ?? (url.port || "5432"), 65_535),
    database,
    user,
    password: option("password") ?? decode(url.password),
    readers: wholeNumber("pool_max_conns", option("pool_max_conns") ?? `${DEFAULT_READERS}`, 1000),
    tls,
  };
}

/** How messages name a database: without its password. */
export function nameOf({ host, port, database }: PostgresAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

function tlsOf(
  host: string,
  option: (name: string) => string | undefined,
): PostgresTls | undefined {
  const mode = option("sslmode") ?? (isLocal(host) ? "disable" : "verify-full");
  if (!SSL_MODES.includes(mode)) {
    throw refuse(`its sslmode is none of ${SSL_MODES.join(", ")}: others trust anybody at times`);
  }
  if (mode === "disable") return undefined;
  const [ca, cert, key] = ["sslrootcert", "sslcert", "sslkey"].map((name) => read(name, option));
  return {
    host,
    servername: isIP(host) ? undefined : host,
    rejectUnauthorized: mode === "verify-full",
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

function read(name: string, option: (name: string) => string | undefined): string | undefined {
  const path = option(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw refuse(`its ${name} ${path} cannot be read: ${code}`);
  }
}

/** Whether bytes to it leave this host never. */
function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" || /^127\./.test(host);
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number >= 1 && number <= most) return number;
  throw refuse(`its ${name} is no whole number from 1 to ${most}`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse("it has a percent sign that begins no code");
  }
}

function refuse(found: string): IdentityError {
  return new IdentityError("CONFIG_INVALID", `Cannot use teleport.storage.conn_string: ${found}`, {
    hint: "Write postgresql://user:password@host:5432/database?sslmode=verify-full, with the " +
      "characters of a password that URLs give a meaning as percent codes",
  });
}
