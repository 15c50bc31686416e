import { headsIn } from "../../audit/store_shipper.ts";
import type { AuditEvent } from "../../audit/event.ts";
import type { Cluster } from "../cluster.ts";
import { trustBundle } from "../issuing.ts";
import { rotateCa } from "../rotate_ca.ts";
import type { Admin } from "./admin.ts";
import type { LocalAgent } from "./_local_agent.ts";
import { LOCAL_ADMIN } from "./_audit.ts";
import { approveTool, appTools, listApprovals, revokeTool } from "./approvals.ts";
import { backUpCluster } from "./back_up_cluster.ts";
import { addBot, listBots, listInstances, removeBot, updateBot } from "./bots.ts";
import { createResources } from "./create_resources.ts";
import { getResources } from "./get_resources.ts";
import { addLock } from "./locks.ts";
import { decisionEvents, policyWorld } from "./policy_world.ts";
import { addHostToken } from "./host_tokens.ts";
import { removeResource } from "./remove_resource.ts";
import { listSessions } from "./sessions.ts";
import { clusterStatus } from "./status.ts";
import { addToken, listTokens, removeToken } from "./tokens.ts";

/** The administration of a cluster whose store is in this process. */
export function createAdmin(cluster: Cluster, agent?: LocalAgent): Admin {
  return {
    status: () => clusterStatus(cluster),
    trust: () => Promise.resolve(trustBundle(cluster)),
    rotateCa: (request) => rotateCa(cluster, request, cluster.actor?.user ?? LOCAL_ADMIN),
    createResources: (request) => createResources(cluster, request),
    getResources: (request) => getResources(cluster, request),
    removeResource: (request) => removeResource(cluster, request),
    addBot: (request) => addBot(cluster, request),
    listBots: () => listBots(cluster),
    updateBot: (request) => updateBot(cluster, request),
    removeBot: (request) => removeBot(cluster, request),
    listInstances: (request) => listInstances(cluster, request),
    addToken: (request) => addToken(cluster, request),
    addHostToken: (request) => addHostToken(cluster, request),
    listTokens: () => listTokens(cluster),
    removeToken: (request) => removeToken(cluster, request),
    addLock: (request) => addLock(cluster, agent, request),
    listSessions: () => listSessions(cluster, agent),
    backup: (request) => backUpCluster(cluster, request),
    async auditRecords({ after, limit }) {
      await cluster.audit.flush();
      const records = await cluster.store.recordsAfter(after, limit);
      const heads = [...(await headsIn(cluster.store)).values()];
      const newest = (await cluster.store.latestRecords(1))[0]?.seq ?? 0;
      const { publicKey } = cluster.keys.audit;
      return { records: records.map(({ seq, text }) => ({ seq, text })), newest, heads, publicKey };
    },
    appTools: ({ app }) => appTools(cluster, agent, app),
    approveTool: (request) => approveTool(cluster, agent, request),
    revokeTool: (request) => revokeTool(cluster, request),
    listApprovals: () => listApprovals(cluster),
    policyWorld: () => policyWorld(cluster),
    decisionEvents: (request) => decisionEvents(cluster, request),
    async auditEvents({ limit }) {
      await cluster.audit.flush();
      const events = await cluster.store.latestEvents(limit);
      return events.map(({ event }) => event as AuditEvent);
    },
  };
}
