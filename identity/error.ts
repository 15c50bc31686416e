/** What can go wrong between a machine and its credentials; the codes are stable. */
export type IdentityErrorCode =
  | "ACCESS_DENIED"
  | "ALREADY_EXISTS"
  | "API_UNREACHABLE"
  | "API_PROTOCOL"
  | "AUDIT_QUEUE_FULL"
  | "AUDIT_UNAVAILABLE"
  | "BAD_REQUEST"
  | "CA_PIN_MISMATCH"
  | "CERTIFICATE_EXPIRED"
  | "CERTIFICATE_INVALID"
  | "CERTIFICATE_MISSING"
  | "CHECK_FAILED"
  | "CONFIG_INVALID"
  | "CONFLICT"
  | "DATA_DIR_IN_USE"
  | "DESTINATION_UNWRITABLE"
  | "IDENTITY_FILE_INVALID"
  | "IDENTITY_FILE_MISSING"
  | "INTERNAL"
  | "JOIN_REFUSED"
  | "JOIN_ROTATION_REQUIRED"
  | "JOIN_TOKEN_EXPIRED"
  | "JOIN_TOKEN_USED"
  | "LOCKED"
  | "NOT_FOUND"
  | "RATE_LIMITED"
  | "REISSUE_DENIED"
  | "SPOOL_FULL"
  | "STORE_INVALID"
  | "STORE_SEALED"
  | "TLS_UNTRUSTED"
  | "UNAVAILABLE";

/** The one error of `identity/`. Branch on `code`; `hint` says what to do next. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly code: IdentityErrorCode;
  readonly hint: string | undefined;

  constructor(
    code: IdentityErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
