/**
 * What a person reads when something on the way to an MCP server fails: one sentence with a prefix
 * that programs can match, and the command that mends it. Details go to stderr.
 */
import { IdentityError, type IdentityErrorCode } from "../../identity/mod.ts";
import { RelayError } from "../error.ts";
import type { End } from "../wire/handshake.ts";

/** The original's prefixes; ours means the cluster where it says Teleport. */
export type FailurePrefix =
  | "MCP_AUTH_REQUIRED"
  | "MCP_CONNECTION_TIMEOUT"
  | "MCP_NETWORK_UNAVAILABLE"
  | "MCP_PROTOCOL_ERROR"
  | "MCP_REQUEST_FAILED"
  | "MCP_SERVER_CHANGED"
  | "MCP_SESSION_EXPIRED"
  | "MCP_TELEPORT_ERROR"
  | "MCP_UPSTREAM_ERROR"
  | "MCP_UPSTREAM_UNREACHABLE";

export interface Failure {
  readonly prefix: FailurePrefix;
  /** One sentence without its final period. */
  readonly sentence: string;
  readonly hint: string | undefined;
}

/** What the hints need to name. */
export interface Surroundings {
  readonly app: string;
  readonly proxy: string;
  /** `undefined` in a tunnel: whoever calls there has no identity, and tbot is to be seen to. */
  readonly identityPath: string | undefined;
}

/** The failure behind whatever was thrown on the way to a session. */
export function failureOf(error: unknown, around: Surroundings): Failure {
  if (error instanceof SessionEnded) return failureOfEnd(error.end, around);
  if (error instanceof ServerChanged) {
    return { prefix: "MCP_SERVER_CHANGED", sentence: error.message, hint: error.hint };
  }
  if (error instanceof IdentityError) return failureOfIdentity(error, around);
  if (error instanceof RelayError) {
    return { prefix: prefixOf(error), sentence: error.message, hint: error.hint };
  }
  return {
    prefix: "MCP_REQUEST_FAILED",
    sentence: `Cannot reach app "${around.app}": an unexpected failure`,
    hint: around.identityPath === undefined
      ? SEE_TBOT
      : "Run the command again with --debug and look at what it writes to stderr",
  };
}

/** `[PREFIX] Sentence. Hint`, the text of a JSON-RPC error. */
export function failureText({ prefix, sentence, hint }: Failure): string {
  return `[${prefix}] ${sentence}.${hint === undefined ? "" : ` ${hint}`}`;
}

/** The agent has ended the session, or refused it, and said why. */
export class SessionEnded extends RelayError {
  readonly end: End;

  constructor(end: End) {
    super("ROUTE_REFUSED", end.message, end.hint === undefined ? {} : { hint: end.hint });
    this.end = end;
  }
}

/** The server that answers is not the one that the client has met. */
export class ServerChanged extends RelayError {
  constructor(before: string, now: string) {
    super("PROTOCOL", `The MCP server has changed from ${before} to ${now}`, { hint: RESTART });
  }
}

/** Whether it may pass by itself: then it is worth another attempt before anybody is told. */
export function isTransient(error: unknown): boolean {
  if (error instanceof SessionEnded) {
    const { code, limit } = error.end;
    return TRANSIENT_ENDS.has(code) || limit === "resumes" || limit === "connections";
  }
  if (error instanceof IdentityError) return TRANSIENT_IDENTITY.has(error.code);
  return error instanceof RelayError && (error.code === "UNREACHABLE" || error.code === "TIMEOUT");
}

/** Whether the session that has ended so is worth replacing before anybody asks for something. */
export function isReplaceable(reason: RelayError): boolean {
  return isTransient(reason) ||
    reason instanceof SessionEnded && REPLACEABLE_ENDS.has(reason.end.code);
}

/** A certificate may be renewed at any moment, and an identity file written. */
const TRANSIENT_ENDS: ReadonlySet<string> = new Set(["AGENT_STOPPING", "CERTIFICATE_EXPIRED"]);
const REPLACEABLE_ENDS: ReadonlySet<string> = new Set([
  "CLOSED",
  "SESSION_UNKNOWN",
  "UPSTREAM_EXITED",
]);
const TRANSIENT_IDENTITY: ReadonlySet<string> = new Set<IdentityErrorCode>([
  "API_UNREACHABLE",
  "CERTIFICATE_EXPIRED",
  "IDENTITY_FILE_INVALID",
  "IDENTITY_FILE_MISSING",
  "UNAVAILABLE",
]);

function prefixOf({ code }: RelayError): FailurePrefix {
  switch (code) {
    case "TIMEOUT":
      return "MCP_CONNECTION_TIMEOUT";
    case "UNREACHABLE":
      return "MCP_NETWORK_UNAVAILABLE";
    case "PROTOCOL":
      return "MCP_PROTOCOL_ERROR";
    case "CERTIFICATE_EXPIRED":
      return "MCP_SESSION_EXPIRED";
    case "PEER_UNTRUSTED":
    case "ROUTE_REFUSED":
    case "ACCESS_DENIED":
      return "MCP_TELEPORT_ERROR";
    default:
      return "MCP_REQUEST_FAILED";
  }
}

function failureOfEnd({ code, message, hint }: End, around: Surroundings): Failure {
  const failure = (prefix: FailurePrefix, otherwise?: string): Failure => ({
    prefix,
    sentence: message,
    hint: hint ?? otherwise,
  });
  switch (code) {
    case "UPSTREAM_START_FAILED":
      return failure("MCP_UPSTREAM_UNREACHABLE");
    case "UPSTREAM_EXITED":
      return failure("MCP_UPSTREAM_ERROR");
    case "CERTIFICATE_EXPIRED":
      return failure("MCP_SESSION_EXPIRED", AGAIN);
    case "AUTHORITY_AWAY":
      return failure("MCP_NETWORK_UNAVAILABLE", "Try again once the cluster's authority is back");
    case "AGENT_STOPPING":
    case "CLOSED":
    case "SESSION_UNKNOWN":
      return failure("MCP_NETWORK_UNAVAILABLE", AGAIN);
    case "PROTOCOL":
      return failure("MCP_PROTOCOL_ERROR", "Run the same version of Postern on both ends");
    case "LIMIT_EXCEEDED":
      return failure("MCP_REQUEST_FAILED");
    case "ACCESS_DENIED":
    case "APP_UNKNOWN":
      return failure("MCP_TELEPORT_ERROR", listApps(around));
    default:
      return failure("MCP_TELEPORT_ERROR");
  }
}

const IDENTITY_PREFIXES: Partial<Record<IdentityErrorCode, FailurePrefix>> = {
  API_UNREACHABLE: "MCP_NETWORK_UNAVAILABLE",
  UNAVAILABLE: "MCP_NETWORK_UNAVAILABLE",
  CERTIFICATE_EXPIRED: "MCP_SESSION_EXPIRED",
  CERTIFICATE_INVALID: "MCP_AUTH_REQUIRED",
  CERTIFICATE_MISSING: "MCP_AUTH_REQUIRED",
  IDENTITY_FILE_INVALID: "MCP_AUTH_REQUIRED",
  IDENTITY_FILE_MISSING: "MCP_AUTH_REQUIRED",
};

function failureOfIdentity(error: IdentityError, around: Surroundings): Failure {
  return {
    prefix: IDENTITY_PREFIXES[error.code] ?? "MCP_TELEPORT_ERROR",
    sentence: error.message,
    hint: fix(error.code, around) ?? error.hint,
  };
}

/** The command that mends it. */
function fix(code: IdentityErrorCode, around: Surroundings): string | undefined {
  switch (code) {
    case "API_UNREACHABLE":
    case "UNAVAILABLE":
      return `Check that the cluster is up: curl -sk https://${around.proxy}/v1/webapi/find`;
    case "CERTIFICATE_EXPIRED":
    case "CERTIFICATE_INVALID":
    case "IDENTITY_FILE_INVALID":
    case "IDENTITY_FILE_MISSING":
      if (around.identityPath === undefined) return SEE_TBOT;
      return `Renew ${around.identityPath} by starting its bot again: systemctl restart tbot`;
    case "REISSUE_DENIED":
      return "Set allow_reissue: true on the identity output in tbot's configuration, then run: " +
        "systemctl restart tbot";
    case "NOT_FOUND":
    case "ACCESS_DENIED":
      return listApps(around);
    default:
      return undefined;
  }
}

function listApps({ app, identityPath, proxy }: Surroundings): string {
  if (identityPath === undefined) {
    return `Give the bot a role that reaches "${app}", or correct app_name of the tunnel in tbot's ` +
      "configuration";
  }
  return `See what you may reach: tsh mcp ls -i ${identityPath} --proxy ${proxy}`;
}

const SEE_TBOT =
  "See why in the log of tbot, which has the identity of this tunnel: journalctl -u tbot";
const RESTART = "Start this MCP server again in your client";
const AGAIN = "Try again; the session is opened anew";
