/**
 * Which apps an agent may serve. A token says it by name; the agents of a token that does not may
 * serve what nobody else has, and keep the name until the host is removed, so that a rogue agent can
 * take no app's name, also while its agent is away.
 */
import { compilePattern } from "../../../policy/pattern/mod.ts";
import type { App } from "../../app.ts";
import type { Transaction } from "../../storage/store.ts";
import type { PresentedApps } from "../api.ts";
import type { AgentItem, AppPinItem, Cluster } from "../cluster.ts";
import type { HostCaller } from "./identify_host.ts";

/** How long an agent is believed that says nothing. */
export const LEASE_MS = 60_000;

type Refusal = PresentedApps["refused"][number];

/** Notes what an agent serves; what it may not serve is left out, and told. */
export async function presentApps(
  cluster: Cluster,
  { host, item }: HostCaller,
  apps: readonly App[],
): Promise<PresentedApps> {
  const { store, clock } = cluster;
  const expires = new Date(clock.now().getTime() + LEASE_MS);
  const { refused, before } = await store.update(async (tx) => {
    const before = (await tx.get<AgentItem>("agent", host))?.value.refused ?? [];
    const kept: App[] = [];
    const refused: Refusal[] = [];
    for (const app of apps) {
      const because = await refusal(tx, { host, allowed: item.apps }, app.name);
      if (because === undefined) kept.push(presentable(app));
      else refused.push({ app: app.name, because });
    }
    const names = refused.map(({ app }) => app);
    const agent = { apps: kept, ...(names.length > 0 && { refused: names }) } satisfies AgentItem;
    await tx.put("agent", host, agent, { expires });
    return { refused, before };
    // A lease that a power cut takes back is said again in a moment.
  }, { durable: false });
  for (const { app, because } of refused) {
    // It is said again with each lease; once is enough for the log.
    if (before.includes(app)) continue;
    await cluster.audit.append({
      type: "host.app_refused",
      code: "PHO02W",
      host_id: host,
      host_name: item.name,
      app_name: app,
      reason: because,
    });
  }
  return { refused, lease: LEASE_MS };
}

interface Holder {
  readonly host: string;
  readonly allowed: readonly string[] | undefined;
}

async function refusal(
  tx: Transaction,
  { host, allowed }: Holder,
  name: string,
): Promise<string | undefined> {
  if (allowed) {
    return allowed.some((pattern) => matches(pattern, name))
      ? undefined
      : "the token that this host joined with does not allow the name";
  }
  const pin = await tx.get<AppPinItem>("app_pin", name);
  if (pin) return pin.value.host === host ? undefined : "another host has the name";
  const agents = await tx.list<AgentItem>("agent");
  const taken = agents.some((agent) =>
    agent.name !== host && agent.value.apps.some((app) => app.name === name)
  );
  if (taken) return "another host has the name";
  await tx.put("app_pin", name, { host } satisfies AppPinItem);
  return undefined;
}

/** Closed: what is no pattern matches nothing. */
function matches(source: string, name: string): boolean {
  const compiled = compilePattern(source);
  return compiled.ok && compiled.pattern.test(name);
}

/** What roles and people need; an agent that tells more is not to be remembered for it. */
function presentable({ name, description, uri, labels }: App): App {
  return { name, description, uri, labels };
}
