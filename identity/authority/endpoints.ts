/**
 * Every endpoint of the public port, once: who may call it, what it takes, what it answers and how
 * it refuses. Routes, checks and the published description come from here; where an endpoint is
 * stands in `routes.ts`, for those who must be quick to start.
 */
import type { ZodType } from "zod";
import type { IdentityErrorCode } from "../error.ts";
import type { Admin } from "./admin/admin.ts";
import {
  isRemote,
  operationAnswers,
  operationSchemas,
  operationSummaries,
  type RemoteOperation,
} from "./admin/mod.ts";
import * as answers from "./_answers.ts";
import * as requests from "./_schemas.ts";
import type { Calls } from "./api.ts";
import type { HostKind, MachineKind } from "./caller.ts";
import type { Route } from "./routes.ts";

export interface Endpoint<Request = unknown, Answer = unknown> {
  readonly summary: string;
  /** The kind of certificate that a caller has to show; `anyone` shows none, or any. */
  readonly caller: "anyone" | MachineKind | HostKind;
  /** Absent: the request has no body, and what is sent as one is not read. */
  readonly request: [Request] extends [undefined] ? undefined : ZodType<Request>;
  readonly answer: ZodType<Answer>;
  /** Codes of refusals, beside those that every endpoint has and those of its caller. */
  readonly errors: readonly IdentityErrorCode[];
  /** The body may be large; it is read from a proven caller alone. */
  readonly large?: true;
  /** Others may keep the answer for a while. */
  readonly cached?: true;
  /** Other paths of the same. */
  readonly aliases?: readonly string[];
}

/** Any endpoint may answer with these. */
export const COMMON_ERRORS: readonly IdentityErrorCode[] = ["BAD_REQUEST", "INTERNAL"];

/** And with these, if it asks for a certificate. */
export const CALLER_ERRORS: readonly IdentityErrorCode[] = [
  "ACCESS_DENIED",
  "AUDIT_UNAVAILABLE",
  "CERTIFICATE_EXPIRED",
  "CERTIFICATE_INVALID",
  "CERTIFICATE_MISSING",
  "LOCKED",
  "SPOOL_FULL",
];

type Endpoints = {
  readonly [K in Route]: Endpoint<Calls[K]["request"], Calls[K]["answer"]>;
};

export const ENDPOINTS = {
  find: {
    summary: "The cluster's name and version",
    caller: "anyone",
    request: undefined,
    answer: answers.clusterInfo,
    errors: [],
    aliases: ["/webapi/find"],
  },
  jwks: {
    summary: "Public keys that verify the tokens for servers of apps",
    caller: "anyone",
    request: undefined,
    answer: answers.jwks,
    errors: [],
    cached: true,
  },
  openidConfiguration: {
    summary: "Where those keys are, and what the tokens hold",
    caller: "anyone",
    request: undefined,
    answer: answers.openidConfiguration,
    errors: [],
    cached: true,
  },
  trust: {
    summary: "The cluster's CAs, to be checked against a pin",
    caller: "anyone",
    request: undefined,
    answer: answers.trustBundle,
    errors: [],
  },
  join: {
    summary: "Join as a bot; the body proves who asks",
    caller: "anyone",
    request: requests.joinRequest,
    answer: answers.issuedCertificates,
    errors: [
      "AUDIT_UNAVAILABLE",

      "JOIN_REFUSED",
      "JOIN_ROTATION_REQUIRED",
      "JOIN_TOKEN_EXPIRED",
      "JOIN_TOKEN_USED",
      "LOCKED",
      "RATE_LIMITED",
      "SPOOL_FULL",
      "UNAVAILABLE",
    ],
  },
  challenge: {
    summary: "What a join by a bound keypair signs",
    caller: "anyone",
    request: requests.challengeRequest,
    answer: answers.joinChallenge,
    errors: ["RATE_LIMITED"],
  },
  renew: {
    summary: "Renew a bot's own certificate",
    caller: "bot",
    request: requests.renewRequest,
    answer: answers.issuedCertificates,
    errors: [],
  },
  issueIdentity: {
    summary: "Issue the certificates of one output",
    caller: "bot",
    request: requests.identityRequest,
    answer: answers.issuedCertificates,
    errors: [],
  },
  heartbeat: {
    summary: "Say how a bot's machine fares",
    caller: "bot",
    request: requests.heartbeatRequest,
    answer: answers.nothing,
    errors: [],
  },
  openSession: {
    summary: "Open a session with one app",
    caller: "identity",
    request: requests.sessionRequest,
    answer: answers.sessionGrant,
    errors: ["REISSUE_DENIED"],
  },
  apps: {
    summary: "The apps that the identity reaches",
    caller: "identity",
    request: undefined,
    answer: answers.appList,
    errors: [],
  },
  hostJoin: {
    summary: "Join as an agent or a relay; the token in the body says who may",
    caller: "anyone",
    request: requests.hostJoinRequest,
    answer: answers.issuedHost,
    errors: [
      "AUDIT_UNAVAILABLE",
      "JOIN_REFUSED",
      "JOIN_TOKEN_EXPIRED",
      "RATE_LIMITED",
      "SPOOL_FULL",
    ],
  },
  hostRenew: {
    summary: "Renew the certificate of an agent or a relay",
    caller: "host",
    request: requests.hostRenewRequest,
    answer: answers.issuedHost,
    errors: [],
  },
  presentApps: {
    summary: "Say which apps an agent serves, for a while",
    caller: "agent",
    request: requests.presentAppsRequest,
    answer: answers.presentedApps,
    errors: [],
  },
  presentRelay: {
    summary: "Say where agents reach a relay, for a while",
    caller: "relay",
    request: requests.presentRelayRequest,
    answer: answers.presentedRelay,
    errors: [],
  },
  appToken: {
    summary: "Sign what the server of an app is told about its caller",
    caller: "agent",
    request: requests.appTokenRequest,
    answer: answers.appToken,
    errors: [],
  },
  answerQuestion: {
    summary: "Answer what the authority has asked on the change stream",
    caller: "agent",
    request: requests.answerRequest,
    answer: answers.nothing,
    errors: [],
    large: true,
  },
  auditHead: {
    summary: "The end of an agent's chain of audit records, as far as it is stored",
    caller: "agent",
    request: undefined,
    answer: answers.auditHead,
    errors: [],
  },
  shipAudit: {
    summary: "Store audit records of an agent's chain",
    caller: "agent",
    request: requests.shipRequest,
    answer: answers.signedHead,
    errors: [],
    large: true,
  },
} as const satisfies Endpoints;

/** The operations of the administration that are open to an identity, as far as its roles allow. */
export const REMOTE_OPERATIONS: readonly RemoteOperation[] =
  (Object.keys(operationSchemas) as (keyof Admin)[]).filter(isRemote);

/** The endpoint of one of them; its body is read from a proven caller alone. */
export function adminEndpoint(operation: RemoteOperation): Endpoint {
  return {
    summary: operationSummaries[operation],
    caller: "identity",
    request: operationSchemas[operation] as ZodType,
    answer: operationAnswers[operation],
    errors: ["ALREADY_EXISTS", "CONFIG_INVALID", "CONFLICT", "NOT_FOUND", "UNAVAILABLE"],
    large: true,
  };
}
