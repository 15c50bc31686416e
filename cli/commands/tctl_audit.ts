import { InvalidArgumentError } from "@commander-js/extra-typings";
import type { AuditEvent } from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import { formatOption } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

const MAX_EVENTS = 100_000;

/** `tctl audit ls`: who did what, and what came of it. */
export function addAudit(root: TctlRoot, tctl: Tctl): void {
  const audit = root.command("audit").description("What has happened in the cluster");
  audit.command("ls").description("List the newest events, oldest first")
    .option("--limit <count>", "how many", parseLimit, 100)
    .addOption(formatOption())
    .action(async ({ limit, format }) => {
      const events = await tctl.withAdmin((admin) => admin.auditEvents({ limit }));
      if (format === "json") return tctl.json(events);
      if (events.length === 0) return tctl.say("No events found");
      tctl.host.stdout.write(
        formatTable(["Time", "Code", "Type", "User", "Subject", "Outcome"], events.map(row)),
      );
    });
}

function row(event: AuditEvent): string[] {
  return [event.time, event.code, event.type, who(event), subject(event), outcome(event)];
}

function who(event: AuditEvent): string {
  const bot = text(event["bot_name"]);
  return text(event["user"]) || (bot && `bot-${bot}`);
}

/** What it was about: an app with the method and tool, or the name of what was changed. */
function subject(event: AuditEvent): string {
  const method = text(member(event["message"], "method"));
  const tool = text(event["tool"]) || text(member(member(event["message"], "params"), "name"));
  // A token's id is long, and its first digits tell it as `tctl tokens ls` does.
  const name = text(event["name"]).replace(/^([0-9a-f]{16})[0-9a-f]{48}$/, "$1");
  return [text(event["app_name"]) || name, method, tool]
    .filter((part) => part !== "").join(" ");
}

function outcome(event: AuditEvent): string {
  const { status, success = member(status, "success"), error = member(status, "error") } = event;
  if (success !== false) return "ok";
  return `failed: ${text(error) || text(member(status, "outcome")) || "no reason given"}`;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parseLimit(value: string): number {
  const limit = Number(value);
  if (/^\d+$/.test(value) && limit >= 1 && limit <= MAX_EVENTS) return limit;
  throw new InvalidArgumentError(`Expected a number from 1 to ${MAX_EVENTS}.`);
}
