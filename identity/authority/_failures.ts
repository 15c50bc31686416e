/** How a failure looks to a caller of the authority: a code, a sentence and a hint, no more. */
import { IdentityError } from "../error.ts";
import type { IdentityErrorCode } from "../error.ts";
import type { Log } from "../log.ts";
import type { ApiFailure } from "./api.ts";

export type FailureStatus = 400 | 401 | 403 | 404 | 409 | 413 | 429 | 500 | 503;

const STATUS: Partial<Record<IdentityErrorCode, FailureStatus>> = {
  ACCESS_DENIED: 403,
  ALREADY_EXISTS: 409,
  AUDIT_QUEUE_FULL: 503,
  AUDIT_UNAVAILABLE: 503,
  BAD_REQUEST: 400,
  CERTIFICATE_EXPIRED: 401,
  CERTIFICATE_INVALID: 401,
  CERTIFICATE_MISSING: 401,
  CONFIG_INVALID: 400,
  CONFLICT: 409,
  JOIN_REFUSED: 403,
  JOIN_ROTATION_REQUIRED: 409,
  JOIN_TOKEN_EXPIRED: 403,
  JOIN_TOKEN_USED: 403,
  LOCKED: 403,
  NOT_FOUND: 404,
  RATE_LIMITED: 429,
  REISSUE_DENIED: 403,
  SPOOL_FULL: 503,
  UNAVAILABLE: 503,
};

/** The HTTP status of a refusal with a code. */
export function statusOf(code: IdentityErrorCode): FailureStatus {
  return STATUS[code] ?? 500;
}

/** The answer to a call that failed; what is not for the caller goes to the log. */
export function toFailure(error: unknown, log: Log): { status: FailureStatus; body: ApiFailure } {
  const status = error instanceof IdentityError ? STATUS[error.code] : undefined;
  if (!(error instanceof IdentityError) || status === undefined) {
    log.error("A call of the authority's API failed", { error: String(error) });
    const message = "The authority could not do this; its log says why";
    return { status: 500, body: { error: { code: "INTERNAL", message } } };
  }
  const { code, message, hint } = error;
  return { status, body: { error: { code, message, ...(hint ? { hint } : {}) } } };
}
