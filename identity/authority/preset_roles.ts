/**
 * The roles that a new cluster has, under the original's names: as much of them as is about MCP and
 * about what is here.
 * They are put there once; whoever changes or removes one has the last word.
 */
import type { Cluster, RoleItem } from "./cluster.ts";

const PRESETS: Readonly<Record<string, string>> = {
  // Every tool of every MCP server.
  "mcp-user": `kind: role
version: v8
metadata:
  name: mcp-user
  description: Use all tools of all MCP servers
  labels:
    teleport.internal/resource-type: preset
spec:
  allow:
    app_labels:
      teleport.internal/app-sub-kind: mcp
    mcp:
      tools: ['*']
`,
  // Every app, and of their tools those that the holder's traits name: none without them.
  access: `kind: role
version: v8
metadata:
  name: access
  description: Reach all apps, with the tools that traits name
  labels:
    teleport.internal/resource-type: preset
spec:
  allow:
    app_labels:
      '*': '*'
    mcp:
      tools: ['{{internal.mcp_tools}}']
`,
  // Everything that an administrator does from afar; since it writes roles, that is everything.
  editor: `kind: role
version: v8
metadata:
  name: editor
  description: Edit the resources of the cluster
  labels:
    teleport.internal/resource-type: preset
spec:
  allow:
    rules:
    - resources: [role, bot, bot_instance, token, app, lock, host]
      verbs: [list, create, read, update, delete]
    - resources: [cert_authority]
      verbs: [list, readnosecrets]
`,
  auditor: `kind: role
version: v8
metadata:
  name: auditor
  description: Review the audit log and who uses what
  labels:
    teleport.internal/resource-type: preset
spec:
  allow:
    rules:
    - resources: [event, session_tracker, bot_instance]
      verbs: [list, read]
`,
};

/** Names of presets that this cluster has been offered. */
interface OfferedItem {
  readonly roles: readonly string[];
}

/** Adds the presets that the cluster has not been offered yet, and that nobody has made himself. */
export async function offerPresetRoles({ audit, store }: Cluster): Promise<void> {
  const added = await store.update(async (tx) => {
    const offered = (await tx.get<OfferedItem>("settings", "presets"))?.value.roles ?? [];
    const missing = Object.keys(PRESETS).filter((name) => !offered.includes(name));
    if (missing.length === 0) return [];
    const added: string[] = [];
    for (const name of missing) {
      if (await tx.get("role", name)) continue;
      const role: RoleItem = { source: PRESETS[name]!, file: `preset/${name}.yaml` };
      await tx.put("role", name, role);
      added.push(name);
    }
    await tx.put("settings", "presets", { roles: [...offered, ...missing] });
    return added;
  });
  for (const name of added) {
    await audit.append({ type: "role.created", code: "T9000I", name, user: "system" });
  }
}
