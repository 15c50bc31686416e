import type { LimitName } from "./limit.ts";

/** What can go wrong with bytes on their way between an MCP client and a server; codes are stable. */
export type RelayErrorCode =
  | "ACCESS_DENIED"
  | "AUDIT_UNAVAILABLE"
  | "CERTIFICATE_EXPIRED"
  | "CONFIG_INVALID"
  | "HEADER_INVALID"
  | "INTERNAL"
  | "LIMIT_EXCEEDED"
  | "PEER_UNTRUSTED"
  | "PORT_IN_USE"
  | "PROTOCOL"
  | "ROUTE_REFUSED"
  | "SERVER_EXITED"
  | "SERVER_REFUSED"
  | "SERVER_START_FAILED"
  | "TIMEOUT"
  | "UNREACHABLE"
  | "VALUE_UNAVAILABLE";

/** The one error of `relay/`. Branch on `code`; `hint` says what to do next. */
export class RelayError extends Error {
  override readonly name = "RelayError";
  readonly code: RelayErrorCode;
  readonly hint: string | undefined;
  /** The limit that was met, with `LIMIT_EXCEEDED`. */
  readonly limit: LimitName | undefined;

  constructor(
    code: RelayErrorCode,
    message: string,
    options: { hint?: string; limit?: LimitName; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.limit = options.limit;
  }
}
