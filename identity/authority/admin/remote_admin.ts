/** The administration for callers from afar: by their roles, one request at a time. */
import { effectivePrincipal } from "../../access/access_of.ts";
import { lockedError, useLocked } from "../../access/locked.ts";
import { type AdminRight, decideAdmin, PolicyError, type Role } from "../../../policy/mod.ts";
import { IdentityError } from "../../error.ts";
import type { Reader } from "../../storage/store.ts";
import type { IdentityClaims } from "../../x509/claims.ts";
import type { Caller } from "../caller.ts";
import type { Cluster } from "../cluster.ts";
import type { Admin } from "./admin.ts";
import { createAdmin } from "./create_admin.ts";
import { demandGrants } from "./_grants.ts";
import { guardedStore } from "./_guarded_store.ts";
import type { LocalAgent } from "./_local_agent.ts";
import { type RemoteOperation, rightsFor } from "./_permissions.ts";

/** One request of somebody whose certificate has been judged. */
export interface RemoteRequest {
  readonly caller: Caller<IdentityClaims>;
  readonly remote: string;
  readonly operation: RemoteOperation;
  /** As the schema of the operation has it. */
  readonly argument: unknown;
}

/**
 * Does what is asked, if the caller's roles allow it; throws `ACCESS_DENIED` otherwise. What counts
 * is what they allow when it is written, whatever they did when it was asked.
 */
export async function administer(
  cluster: Cluster,
  agent: LocalAgent | undefined,
  { argument, caller, operation, remote }: RemoteRequest,
): Promise<object> {
  const { app } = caller.claims;
  if (app !== undefined) throw denied(`this identity is for the app "${app}" alone`);
  const judge = async (reader: Reader) => {
    const principal = effectivePrincipal(cluster.view, caller.claims);
    const roles = rolesOf(cluster, principal.roles);
    demandRights(roles, operation, argument);
    await demandGrants(reader, { principal, roles }, operation, argument, cluster.clock.now());
  };
  await judge(cluster.store).catch(explain);
  const { bot, instance } = caller.claims;
  const actor = { user: `bot-${bot}`, instance, remote };
  // The cluster itself, whose keys change: a copy would keep those of now.
  const acting = Object.create(cluster, {
    actor: { value: actor },
    store: { value: guardedStore(cluster.store, judge) },
  }) as Cluster;
  const admin = createAdmin(acting, agent);
  const method = admin[operation] as (argument: unknown) => Promise<object>;
  const done = await method.call(admin, argument).catch(explain);
  // What was read may have come into being since.
  if (operation === "getResources") await judge(cluster.store).catch(explain);
  return done;
}

function rolesOf({ view }: Cluster, names: readonly string[]): Role[] {
  const locked = view.locked(names, "");
  if (locked) throw lockedError(useLocked(locked));
  return names.map((name) => {
    const role = view.role(name);
    // INVARIANT (closed): what a missing role would have denied is unknown.
    if (role === undefined) throw denied(`the role "${name}" does not exist`);
    return role;
  });
}

function demandRights(roles: readonly Role[], operation: keyof Admin, argument: unknown): void {
  // A request that names nothing to have a right on is not for somebody without any.
  if (roles.every(({ allow }) => allow.rules.length === 0)) {
    throw denied("no role of this identity has `rules`");
  }
  for (const right of rightsFor(operation as RemoteOperation, argument)) {
    const decision = decideAdmin(roles, right);
    if (decision.effect === "allow") continue;
    const wanted = nameOf(right);
    throw denied(
      decision.because === "no_match"
        ? `no role of this identity allows to ${wanted}`
        : `the role "${decision.by.role}" denies to ${wanted}`,
    );
  }
}

function nameOf({ resource, verb }: AdminRight): string {
  return `${verb} resources of kind "${resource}"`;
}

function denied(because: string): IdentityError {
  return new IdentityError("ACCESS_DENIED", `access denied: ${because}`, {
    hint: "An administrator can add a rule to a role, under `spec.allow.rules`",
  });
}

/** What is wrong with roles is for the caller, with every place. */
export function explain(error: unknown): never {
  if (!(error instanceof PolicyError)) throw error;
  const { message, hint, cause } = error;
  throw new IdentityError("BAD_REQUEST", message, { ...(hint ? { hint } : {}), cause });
}
