/**
 * No step up: whoever administers by roles can hand out what it has itself, and no more. Whoever may
 * update roles could make its own say anything, and is not held back here.
 */
import { type AdminRight, decideAdmin, type Role } from "../../../policy/mod.ts";
import { IdentityError } from "../../error.ts";
import type { Reader } from "../../storage/store.ts";
import type { Principal } from "../../x509/claims.ts";
import type { BotItem, MethodTokenItem, TokenItem } from "../cluster.ts";
import type { Admin } from "./admin.ts";
import { requireBot } from "./_names.ts";
import { parseResources } from "./_parse_resources.ts";

/** What somebody would have who joins as a bot. */
interface Grant {
  readonly bot: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
}

const UPDATE_ROLES: AdminRight = { resource: "role", verb: "update" };

export interface Granter {
  readonly principal: Principal;
  /** The principal's roles. */
  readonly roles: readonly Role[];
}

/** Throws `ACCESS_DENIED` when a request would give a bot more than its caller has. */
export async function demandGrants(
  reader: Reader,
  { principal, roles }: Granter,
  operation: keyof Admin,
  request: unknown,
  now: Date,
): Promise<void> {
  if (decideAdmin(roles, UPDATE_ROLES).effect === "allow") return;
  for (const grant of await grantsOf(reader, operation, request, now)) {
    const role = grant.roles.find((name) => !principal.roles.includes(name));
    if (role !== undefined) throw tooMuch(grant.bot, `the role "${role}"`);
    for (const [name, values] of Object.entries(grant.traits)) {
      const own = Object.hasOwn(principal.traits, name) ? principal.traits[name] : undefined;
      if (!values.every((value) => own?.includes(value))) {
        throw tooMuch(grant.bot, `the trait "${name}"`);
      }
    }
  }
}

async function grantsOf(
  reader: Reader,
  operation: keyof Admin,
  request: unknown,
  now: Date,
): Promise<Grant[]> {
  const asked = <K extends keyof Admin>(_: K) => request as Parameters<Admin[K]>[0];
  switch (operation) {
    case "addBot": {
      const { name: bot, roles, traits = {} } = asked("addBot");
      return [{ bot, roles, traits }];
    }
    case "updateBot": {
      const { addLogins = [], addRoles = [], name: bot, setLogins = [], setRoles = [] } = asked(
        "updateBot",
      );
      const logins = [...setLogins, ...addLogins];
      const before = (await reader.get<BotItem>("bot", bot))?.value;
      // What it has already is not given now.
      const roles = [...setRoles, ...addRoles].filter((role) => !before?.roles.includes(role));
      return [{ bot, roles, traits: logins.length > 0 ? { logins } : {} }];
    }
    case "addToken":
      return [await standing(reader, asked("addToken").bot)];
    case "createResources": {
      const { text, file } = asked("createResources");
      const resources = parseResources(text, file, now);
      const bots = resources.filter(({ kind }) => kind === "bot")
        .map(({ name, value }): Grant => ({ ...value as BotItem, bot: name }));
      const joined = resources
        // Those for hosts are bounded by a right of their own.
        .filter(({ kind, item }) => kind === "token" && item !== "host_token")
        .map(({ value }) => (value as TokenItem | MethodTokenItem).bot)
        .filter((name) => !bots.some(({ bot }) => bot === name));
      return [...bots, ...await Promise.all(joined.map((bot) => standing(reader, bot)))];
    }
    case "getResources": {
      const { refs, secrets = false } = asked("getResources");
      // Whoever reads the secret of a token can join with it.
      const tokens = secrets ? refs.filter(({ kind }) => kind === "token") : [];
      if (tokens.length === 0) return [];
      const bots = (await reader.list<MethodTokenItem>("method_token"))
        .filter((item) => tokens.some(({ name }) => name === undefined || name === item.name))
        .map(({ value }) => value.bot);
      const known = new Map(
        (await reader.list<BotItem>("bot")).map((item) => [item.name, item.value]),
      );
      return bots.flatMap((bot) => known.has(bot) ? [{ ...known.get(bot)!, bot }] : []);
    }
    default:
      return [];
  }
}

/** Whoever joins with a token has what its bot has, which must be known for that. */
async function standing(reader: Reader, bot: string): Promise<Grant> {
  return { ...await requireBot(reader, bot), bot };
}

function tooMuch(bot: string, what: string): IdentityError {
  return new IdentityError("ACCESS_DENIED", `Cannot give bot "${bot}" ${what}: you have it not`, {
    hint: "Whoever may update roles can, and whoever has it itself",
  });
}
