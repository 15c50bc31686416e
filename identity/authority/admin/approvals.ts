/**
 * Approvals of tools: a role may pin a tool to one definition, and whoever has looked at another
 * one lets it meet the pin as well. Rules that deny are not touched by it.
 */
import { IdentityError } from "../../error.ts";
import type { ListedTool } from "../../app.ts";
import type { ApprovalItem, Cluster } from "../cluster.ts";
import type { Approval, ApproveRequest, AppTools, ToolRef } from "./admin.ts";
import { recordChange } from "./_audit.ts";
import type { LocalAgent } from "./_local_agent.ts";

/** How long an agent elsewhere may take to start a server and list its tools. */
const TOOLS_MS = 30_000;

export async function appTools(
  { hosts, view }: Cluster,
  agent: LocalAgent | undefined,
  app: string,
): Promise<AppTools> {
  const host = view.agentOf(app)?.host;
  const remote = host !== undefined && hosts.has(host) ? host : undefined;
  if (!agent && remote === undefined) return { problem: "app-agent is not running" };
  try {
    if (remote === undefined) return { tools: await agent!.listTools(app) };
    const tools = await hosts.ask(remote, { kind: "tools", app }, TOOLS_MS);
    return Array.isArray(tools)
      ? { tools: tools as readonly ListedTool[] }
      : { problem: String((tools as { problem?: unknown } | undefined)?.problem) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

export async function approveTool(
  cluster: Cluster,
  agent: LocalAgent | undefined,
  request: ApproveRequest,
): Promise<Approval> {
  const { app, tool } = request;
  const sha256 = request.sha256 ?? await offeredNow(cluster, agent, request);
  const created = cluster.clock.now().toISOString();
  const approval: ApprovalItem = { app, tool, sha256, created };
  await cluster.store.update((tx) => tx.put("approval", nameOf(approval), approval));
  await recordChange(cluster, "created", "approval", tool, { app_name: app, tool, sha256 });
  return approval;
}

export async function revokeTool(
  cluster: Cluster,
  { app, tool, sha256 }: ApproveRequest,
): Promise<Approval[]> {
  const revoked = await cluster.store.update(async (tx) => {
    const all = (await tx.list<ApprovalItem>("approval")).map(({ value }) => value);
    const found = all.filter((each) =>
      each.app === app && each.tool === tool && (sha256 === undefined || each.sha256 === sha256)
    );
    for (const each of found) await tx.delete("approval", nameOf(each));
    return found;
  });
  if (revoked.length === 0) {
    throw new IdentityError("NOT_FOUND", `Nothing is approved of tool "${tool}" of app "${app}"`, {
      hint: "`tctl mcp approvals` shows what is",
    });
  }
  for (const { sha256 } of revoked) {
    await recordChange(cluster, "deleted", "approval", tool, { app_name: app, tool, sha256 });
  }
  return revoked;
}

export async function listApprovals({ store }: Cluster): Promise<Approval[]> {
  return (await store.list<ApprovalItem>("approval")).map(({ value }) => value);
}

async function offeredNow(
  cluster: Cluster,
  agent: LocalAgent | undefined,
  { app, tool: name }: ToolRef,
): Promise<string> {
  const { tools, problem } = await appTools(cluster, agent, app);
  if (!tools) {
    throw new IdentityError("BAD_REQUEST", `The tools of app "${app}" are not known: ${problem}`, {
      hint: "Give the digest of the definition with --sha256",
    });
  }
  const listed = tools.find(({ tool }) => tool.name === name);
  if (listed) return listed.sha256;
  throw new IdentityError("NOT_FOUND", `The server of app "${app}" has no tool "${name}"`, {
    hint: `\`tctl mcp tools ${app}\` shows those that it has`,
  });
}

/** A tool's name may hold anything, so it comes last. */
function nameOf({ app, tool, sha256 }: ApprovalItem): string {
  return `${app}/${sha256}/${tool}`;
}
