import type { Problem } from "./problem.ts";

export type PolicyErrorCode = "ROLE_INVALID" | "POLICY_INVALID";

/** Roles that do not compile: every problem that was found, with its place. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code: PolicyErrorCode;
  readonly problems: readonly Problem[];
  readonly hint: string | undefined;

  constructor(
    code: PolicyErrorCode,
    message: string,
    options: { problems?: readonly Problem[]; hint?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.problems = options.problems ?? [];
    this.hint = options.hint;
  }
}
