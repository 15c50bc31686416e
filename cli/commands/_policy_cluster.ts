import type { TctlHost } from "./_tctl_host.ts";
import { type TctlOptions, withAdmin } from "./_tctl_root.ts";
import type { PolicyCluster } from "./_policy_world.ts";

/** The cluster of this host, opened anew for each question. */
export function policyCluster(host: TctlHost, options: TctlOptions): PolicyCluster {
  return {
    async world() {
      const { roles, bots, apps } = await withAdmin(
        host,
        options,
        (admin) => admin.policyWorld({}),
      );
      return { roles, subjects: bots, apps };
    },
    async tools(app) {
      const answer = await withAdmin(host, options, (admin) => admin.appTools({ app }));
      return { ...answer, tools: answer.tools?.map(({ tool }) => tool) };
    },
    decisionEvents: (id) => withAdmin(host, options, (admin) => admin.decisionEvents({ id })),
  };
}
