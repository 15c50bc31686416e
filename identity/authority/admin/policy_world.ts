import type { AuditEvent } from "../../audit/event.ts";
import type { BotItem, Cluster, RoleItem } from "../cluster.ts";
import type { PolicyWorld } from "./admin.ts";

/** The cluster's roles as written, its bots, and the apps that agents serve. */
export async function policyWorld({ store, view }: Cluster): Promise<PolicyWorld> {
  const roles = await store.list<RoleItem>("role");
  const bots = await store.list<BotItem>("bot");
  return {
    roles: roles.map(({ value: { source, file } }) => ({ file, text: source })),
    bots: bots.map(({ name, value: { roles, traits } }) => ({ name, roles, traits })),
    apps: view.apps().map(({ name, labels }) => ({ name, labels })),
  };
}

/** The events of a decision, and the start of the session that it was made in. */
export async function decisionEvents(
  { audit, store }: Cluster,
  { id }: { readonly id: string },
): Promise<AuditEvent[]> {
  await audit.flush();
  const having = async (field: string, value: unknown, ...texts: string[]) => {
    const found = await store.eventsWith([`"${field}":${JSON.stringify(value)}`, ...texts], LIMIT);
    // What a client sends may look like it, deeper inside.
    return found.map(({ event }) => event as AuditEvent).filter((event) => event[field] === value);
  };
  const events = await having("decision_id", id);
  const sid = events[0]?.["sid"];
  const starts = sid === undefined ? [] : await having("sid", sid, START);
  return [...starts.filter(({ type }) => type === "mcp.session.start"), ...events];
}

const START = '"type":"mcp.session.start"';

/** A decision has one event for the request and one for its outcome; look-alikes may be among them. */
const LIMIT = 1000;
