/** Names of bots and the roles that they ask for. */
import { IdentityError } from "../../error.ts";
import type { Reader } from "../../storage/store.ts";
import type { BotItem } from "../cluster.ts";

/** It becomes part of certificates and of the store's keys. */
export const BOT_NAME = /^[A-Za-z0-9._-]{1,128}$/;
export const BOT_NAME_RULE = "a bot's name has 1 to 128 letters, digits, dots, dashes and _";

export function checkBotName(name: string): void {
  if (BOT_NAME.test(name)) return;
  throw new IdentityError("BAD_REQUEST", `Cannot name a bot "${name}": ${BOT_NAME_RULE}`);
}

/** Throws unless every role exists: a name with a typing error would grant nothing, silently. */
export async function requireRoles(reader: Reader, roles: readonly string[]): Promise<void> {
  for (const role of roles) {
    if (await reader.get("role", role)) continue;
    throw new IdentityError("NOT_FOUND", `role "${role}" does not exist`, {
      hint: "Create it with `tctl create`; `tctl get roles` shows those that there are",
    });
  }
}

export async function requireBot(reader: Reader, name: string): Promise<BotItem> {
  const item = await reader.get<BotItem>("bot", name);
  if (item) return item.value;
  throw new IdentityError("NOT_FOUND", `bot "${name}" does not exist`, {
    hint: "`tctl bots ls` shows those that there are",
  });
}

/** The same names, each once, in the order in which they first stood. */
export function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
