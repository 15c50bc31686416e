/** How resources are named on a command line: `kind`, `kind/name`, with commas between them. */
import type { GetRequest, ResourceKind, ResourceRef } from "../../identity/authority/admin/mod.ts";
import { IdentityError } from "../../identity/mod.ts";

const KINDS: Readonly<Record<string, ResourceKind>> = {
  app: "app",
  application: "app",
  bot: "bot",
  bot_instance: "bot_instance",
  host: "host",
  lock: "lock",
  role: "role",
  token: "token",
};
const HINT = "Kinds are role, bot, token, app, lock, bot_instance and host";

/** What `get` takes. */
export function parseRefs(text: string): GetRequest["refs"] {
  return text.split(",").map((ref) => {
    const { kind, name } = split(ref.trim());
    const known = kindOf(kind);
    if (!known) {
      throw new IdentityError("BAD_REQUEST", `resources of type "${kind}" are not supported`, {
        hint: HINT,
      });
    }
    return { kind: known, ...(name ? { name } : {}) };
  });
}

/** What `rm` takes: one resource by its name. */
export function parseRef(text: string): ResourceRef {
  const { kind, name } = split(text);
  const known = kindOf(kind);
  if (!known) {
    throw new IdentityError(
      "BAD_REQUEST",
      `deleting resources of type "${kind}" is not supported`,
      {
        hint: HINT,
      },
    );
  }
  if (name) return { kind: known, name };
  throw new IdentityError("BAD_REQUEST", `Cannot remove "${text}": it has no name`, {
    hint: `Write ${known}/ and the name`,
  });
}

/** A name may have slashes of its own. */
function split(text: string): { kind: string; name: string | undefined } {
  const slash = text.indexOf("/");
  if (slash === -1) return { kind: text, name: undefined };
  return { kind: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** In the singular or the plural, with a dash or without. */
function kindOf(text: string): ResourceKind | undefined {
  const kind = text.toLowerCase().replaceAll("-", "_");
  const singular = kind.replace(/s$/, "");
  return Object.hasOwn(KINDS, singular) ? KINDS[singular] : undefined;
}

/** The word for a kind in messages. */
export function labelOf(kind: string): string {
  return kind === "app" ? "application" : kind === "bot_instance" ? "bot instance" : kind;
}
