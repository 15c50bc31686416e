import { approvedOf } from "../../identity/access/mod.ts";
import type { Approval, PolicyWorld } from "../../identity/authority/admin/mod.ts";
import { IdentityError, type ListedTool } from "../../identity/mod.ts";
import { type AppPolicy, type Approved, compilePolicy } from "../../policy/mod.ts";
import { formatTable } from "../table.ts";
import { inBatches, SERVERS_AT_A_TIME } from "./_in_batches.ts";
import { rolesOf } from "./_policy_world.ts";
import { formatOption } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** As many digits of a digest as tell definitions apart for people. */
const SHOWN_DIGITS = 12;
const DESCRIPTION_CHARS = 60;

/** `tctl mcp …`: what servers offer, and which definitions of tools are approved. */
export function addMcp(root: TctlRoot, tctl: Tctl): void {
  const mcp = root.command("mcp").description("Tools of MCP servers, and approvals of them");
  mcp.command("ls").description("Ask every app's server how many tools it has")
    .addOption(formatOption())
    .action(async ({ format }) => {
      const { apps } = await tctl.withAdmin((admin) => admin.policyWorld({}));
      const rows = await inBatches(apps, SERVERS_AT_A_TIME, async ({ name }) => {
        const { tools, problem } = await tctl.withAdmin((admin) => admin.appTools({ app: name }));
        return { app: name, ...(tools && { tools: tools.length }), ...(problem && { problem }) };
      });
      if (format !== "text") return tctl.data(format, rows);
      if (rows.length === 0) return tctl.say("No apps are served");
      tctl.host.stdout.write(formatTable(
        ["App", "Tools", "Problem"],
        rows.map(({ app, tools, problem = "" }) => [app, String(tools ?? ""), problem]),
      ));
    });

  mcp.command("tools").description("What a server offers, and which roles list it")
    .argument("<app>", "name of the app")
    .addOption(formatOption())
    .action(async (app, { format }) => {
      const { tools, problem } = await tctl.withAdmin((admin) => admin.appTools({ app }));
      if (!tools) {
        throw new IdentityError("BAD_REQUEST", `Cannot list the tools of "${app}": ${problem}`, {
          hint: "`tctl mcp ls` shows the apps, and app-agent's log may say more",
        });
      }
      const world = await tctl.withAdmin((admin) => admin.policyWorld({}));
      const approvals = await tctl.withAdmin((admin) => admin.listApprovals({}));
      const standings = standingsOf(app, tools, world, approvals);
      if (format !== "text") return tctl.data(format, standings);
      if (standings.length === 0) return tctl.say("The server has no tools");
      tctl.host.stdout.write(formatTable(
        ["Tool", "Definition", "Listed by", "Withheld by", "Description"],
        standings.map(({ tool, sha256, approved, listed, withheld }) => [
          tool.name,
          sha256.slice(0, SHOWN_DIGITS) + (approved ? " approved" : ""),
          listed.join(", "),
          withheld.join(", "),
          textOf(tool["description"]),
        ]),
      ));
    });

  mcp.command("approve").description("Let a tool's definition meet the pins of roles, at once")
    .argument("<app>", "name of the app")
    .argument("<tool>", "name of the tool")
    .option("--sha256 <digest>", "of the definition; without it, what the server offers now")
    .action(async (app, tool, options) => {
      const made = await tctl.withAdmin((admin) => admin.approveTool({ app, tool, ...options }));
      tctl.say(
        `Approved tool "${tool}" of app "${app}" with definition ${made.sha256}`,
        `Take it back with: tctl mcp revoke ${app} ${tool}`,
      );
    });

  mcp.command("revoke").description("Take an approval back, at once")
    .argument("<app>", "name of the app")
    .argument("<tool>", "name of the tool")
    .option("--sha256 <digest>", "of one definition; without it, of all")
    .action(async (app, tool, options) => {
      const gone = await tctl.withAdmin((admin) => admin.revokeTool({ app, tool, ...options }));
      for (const { sha256 } of gone) {
        tctl.say(`Tool "${tool}" of app "${app}" is no longer approved with definition ${sha256}`);
      }
    });

  mcp.command("approvals").description("List approved definitions")
    .addOption(formatOption())
    .action(async ({ format }) => {
      const approvals = await tctl.withAdmin((admin) => admin.listApprovals({}));
      if (format !== "text") return tctl.data(format, approvals);
      if (approvals.length === 0) return tctl.say("Nothing is approved");
      tctl.host.stdout.write(formatTable(
        ["App", "Tool", "Definition", "Since"],
        approvals.map(({ app, tool, sha256, created }) => [app, tool, sha256, created]),
      ));
    });
}

interface Standing extends ListedTool {
  readonly approved: boolean;
  /** Roles that list the tool to a holder without traits. */
  readonly listed: readonly string[];
  /** Roles that would, with another definition. */
  readonly withheld: readonly string[];
}

/** How each tool stands with each role by itself. */
function standingsOf(
  name: string,
  tools: readonly ListedTool[],
  world: PolicyWorld,
  approvals: readonly Approval[],
): Standing[] {
  const approved = approvedOf(name, approvals);
  const labels = world.apps.find((app) => app.name === name)?.labels ?? {};
  const policies = policiesOf(world, { name, labels, approved });
  return tools.map(({ tool, sha256 }) => {
    const decided = policies.map(([role, policy]) => ({
      role,
      decision: policy.listTool(tool.name, sha256),
    }));
    const names = (wanted: (decision: (typeof decided)[number]["decision"]) => boolean) =>
      decided.filter(({ decision }) => wanted(decision)).map(({ role }) => role);
    return {
      tool,
      sha256,
      approved: approved?.get(tool.name)?.has(sha256) ?? false,
      listed: names(({ effect }) => effect === "allow"),
      withheld: names((d) => d.effect === "deny" && d.because === "definition_not_pinned"),
    };
  });
}

function policiesOf(
  world: PolicyWorld,
  app: { name: string; labels: Readonly<Record<string, string>>; approved: Approved | undefined },
): [string, AppPolicy][] {
  return rolesOf(world.roles).flatMap((role) => {
    try {
      return [[role.name, compilePolicy([role], { name: "", traits: {} }, app)]];
    } catch {
      // It depends on traits that nobody in particular has.
      return [];
    }
  });
}

function textOf(description: unknown): string {
  if (typeof description !== "string") return "";
  const [line = ""] = description.split("\n");
  return line.length > DESCRIPTION_CHARS ? `${line.slice(0, DESCRIPTION_CHARS - 1)}…` : line;
}
