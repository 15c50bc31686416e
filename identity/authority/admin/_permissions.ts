/**
 * What each operation asks of a remote caller's roles, and what none may ask for. One row for each:
 * an operation without one does not compile.
 */
import type { AdminResource, AdminRight, AdminVerb } from "../../../policy/mod.ts";
import type { Admin } from "./admin.ts";
import { resourceKinds } from "./_parse_resources.ts";

type Rights<K extends keyof Admin> =
  | readonly AdminRight[]
  /** It depends on what is asked. */
  | ((request: Parameters<Admin[K]>[0]) => readonly AdminRight[])
  /** It is for those on the authority's host, since it works on that host's files. */
  | "local";

const on = (resource: AdminResource, ...verbs: readonly AdminVerb[]): AdminRight[] =>
  verbs.map((verb) => ({ resource, verb }));
const seeAll = (...resources: readonly AdminResource[]): AdminRight[] =>
  resources.flatMap((resource) => on(resource, "list", "read"));

export const PERMISSIONS: { readonly [K in keyof Admin]: Rights<K> } = {
  status: on("cert_authority", "readnosecrets"),
  trust: on("cert_authority", "readnosecrets"),
  rotateCa: on("cert_authority", "create", "update"),
  createResources: ({ file, force, revisions, text }) => {
    // With revisions nothing new comes into being; with force alone both may happen.
    const verbs: AdminVerb[] = revisions ? ["update"] : force ? ["create", "update"] : ["create"];
    return resourceKinds(text, file).flatMap((kind) => on(kind, ...verbs));
  },
  getResources: ({ refs }) =>
    refs.flatMap(({ kind, name }) => name === undefined ? seeAll(kind) : on(kind, "read")),
  removeResource: ({ kind }) => on(kind, "delete"),
  addBot: ({ token }) => [
    ...on("bot", "create"),
    ...(token === undefined ? on("token", "create") : []),
  ],
  listBots: seeAll("bot"),
  updateBot: on("bot", "update"),
  removeBot: on("bot", "delete"),
  listInstances: seeAll("bot_instance"),
  addToken: on("token", "create"),
  // An agent is told all roles and bots, and may serve apps: more than a token for a bot is.
  addHostToken: [...on("token", "create"), ...on("host", "create")],
  listTokens: seeAll("token"),
  removeToken: on("token", "delete"),
  addLock: on("lock", "create"),
  listSessions: seeAll("session_tracker"),
  backup: "local",
  auditEvents: seeAll("event"),
  auditRecords: seeAll("event"),
  policyWorld: seeAll("role", "bot", "app"),
  appTools: on("app", "read"),
  approveTool: on("app", "update"),
  revokeTool: on("app", "update"),
  listApprovals: seeAll("app"),
  decisionEvents: seeAll("event"),
};

/** Operations that somebody may do from afar. */
export type RemoteOperation = Exclude<keyof Admin, "backup">;

export function isRemote(operation: keyof Admin): operation is RemoteOperation {
  return PERMISSIONS[operation] !== "local";
}

/** What a call needs; throws `BAD_REQUEST` when that cannot be told. */
export function rightsFor(operation: RemoteOperation, request: unknown): readonly AdminRight[] {
  const rights = PERMISSIONS[operation] as Exclude<Rights<"status">, "local">;
  return typeof rights === "function" ? rights(request as never) : rights;
}
