import { approvedOf } from "../../identity/access/mod.ts";
import type { TctlHost } from "./_tctl_host.ts";
import { type TctlOptions, withAdmin } from "./_tctl_root.ts";
import type { PolicyCluster } from "./_policy_world.ts";

/** The cluster of this host, opened anew for each question. */
export function policyCluster(host: TctlHost, options: TctlOptions): PolicyCluster {
  return {
    async world() {
      const { roles, bots, apps, approvals } = await withAdmin(host, options, async (admin) => ({
        ...await admin.policyWorld({}),
        approvals: await admin.listApprovals({}),
      }));
      const known = apps.map((app) => ({ ...app, approved: approvedOf(app.name, approvals) }));
      return { roles, subjects: bots, apps: known };
    },
    async tools(app) {
      const answer = await withAdmin(host, options, (admin) => admin.appTools({ app }));
      return { ...answer, tools: answer.tools?.map(({ tool, sha256 }) => ({ ...tool, sha256 })) };
    },
    decisionEvents: (id) => withAdmin(host, options, (admin) => admin.decisionEvents({ id })),
  };
}
