/** What a refusal of the authority means for what comes next. */
import { IdentityError } from "../error.ts";

/** Whether the same request may succeed later without anyone doing anything. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof IdentityError)) return false;
  switch (error.code) {
    case "API_UNREACHABLE":
    case "API_PROTOCOL":
    case "CONFLICT":
    case "INTERNAL":
    case "RATE_LIMITED":
    case "UNAVAILABLE":
      return true;
    default:
      return false;
  }
}

/** Whether the certificate has run out by the authority's own clock. */
export function isOver(error: unknown): boolean {
  return error instanceof IdentityError && error.code === "CERTIFICATE_EXPIRED";
}

/** Whether somebody has shut this bot out, which no other way of asking changes. */
export function isLocked(error: unknown): boolean {
  return error instanceof IdentityError && error.code === "LOCKED";
}
