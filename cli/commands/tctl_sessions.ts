import { formatTable } from "../table.ts";
import { formatOption } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl sessions`: who uses which MCP server now. */
export function addSessions(root: TctlRoot, tctl: Tctl): void {
  const sessions = root.command("sessions").description("Open MCP sessions");
  sessions.command("ls").alias("list").description("List the sessions that are open")
    .addOption(formatOption())
    .action(async ({ format }) => {
      const found = await tctl.withAdmin((admin) => admin.listSessions({}));
      if (format !== "text") return tctl.data(format, found);
      if (found.length === 0) return tctl.say("No open sessions");
      tctl.host.stdout.write(formatTable(
        ["Session", "Bot", "Instance", "App", "At", "From", "Since"],
        found.map(({ session, bot, instance, app, host = "here", address, started }) => [
          session,
          bot,
          instance,
          app,
          host,
          address,
          started,
        ]),
      ));
    });
}
