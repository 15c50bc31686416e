/** What somebody is told whom a lock keeps out; the same at the authority and at an agent. */
import type { Locked } from "../authority/view.ts";
import { IdentityError } from "../error.ts";

/** A lock on the bot or on this instance of it; `message` is the administrator's, and may be empty. */
export function botLocked(bot: string, message: string): string {
  return `Bot "${bot}" is locked${said(message)}`;
}

/** A lock on something that the bot would use. */
export function useLocked({ what, message }: Locked): string {
  return `Cannot use ${what}, it is locked${said(message)}`;
}

export function lockedError(message: string): IdentityError {
  return new IdentityError("LOCKED", message, {
    hint: "An administrator can list locks with `tctl get lock` and remove one with `tctl rm`",
  });
}

function said(message: string): string {
  return message === "" ? "" : `: ${message}`;
}
