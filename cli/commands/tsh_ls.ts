import { appTransport, type ListedApp } from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import { visible } from "../visible.ts";
import { type AppSelection, ownLabels, selectApps } from "./_select_apps.ts";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ListCommand extends TshOptions, AppSelection {
  readonly format: "text" | "json" | "yaml";
  readonly verbose?: boolean | undefined;
}

type Shown = ReturnType<typeof shownApp>;

/** `tsh mcp ls`: the apps that the identity's roles reach, with their tools, sorted by name. */
export async function list(command: ListCommand, host: TshHost): Promise<void> {
  const apps = await selectApps(command, surroundings(command, host, "list MCP servers"), host);
  host.stdout.write(await format(apps.map(shownApp), command));
}

function shownApp({ name, description, uri, labels, tools, byRole }: ListedApp) {
  const { allowed, denied } = tools;
  return {
    name,
    description,
    type: appTransport(uri) ?? uri,
    uri,
    labels: ownLabels(labels),
    permissions: { mcp: { tools: { allowed, denied, ...(byRole && { byRole }) } } },
  };
}

async function format(
  apps: readonly Shown[],
  { format, verbose }: ListCommand,
): Promise<string> {
  switch (format) {
    case "json":
      return `${JSON.stringify(apps, undefined, 2)}\n`;
    case "yaml":
      return (await import("yaml")).stringify(apps);
    case "text":
      return textOf(apps, verbose === true);
  }
}

function textOf(apps: readonly Shown[], verbose: boolean): string {
  const table = formatTable(
    ["Name", "Description", "Type", ...verbose ? ["URI"] : [], "Allowed Tools", "Labels"],
    apps.map((app) => [
      app.name,
      app.description,
      app.type,
      ...verbose ? [app.uri] : [],
      toolsText(app),
      labelTexts(app.labels).join(","),
    ]),
  );
  const reasons = verbose ? apps.map(reasonsOf).join("") : "";
  return `${table}${reasons}${apps.some(allowsNone) ? `\n${FOOTNOTE}\n` : ""}`;
}

/** Which role allows or denies what; a denial of any role wins over all that others allow. */
function reasonsOf({ name, permissions }: Shown): string {
  const { byRole = [] } = permissions.mcp.tools;
  const lines = byRole.flatMap(({ role, allowed, denied }) => [
    ...allowed.map((pattern) => `${pattern} allowed by role ${role}`),
    ...denied.map((pattern) => `${pattern} denied by role ${role}`),
  ]);
  return lines.length === 0
    ? ""
    : `\n${visible(name)}:\n${lines.map((line) => `  ${visible(line)}\n`).join("")}`;
}

const FOOTNOTE =
  "[!] No role allows a tool of this server: ask an administrator for a role with mcp.tools";

function allowsNone({ permissions }: Shown): boolean {
  return permissions.mcp.tools.allowed.length === 0;
}

function toolsText(app: Shown): string {
  const { allowed, denied } = app.permissions.mcp.tools;
  if (allowsNone(app)) return "(none) [!]";
  const except = denied.length > 0 ? `, except: [${denied.join(", ")}]` : "";
  return `[${allowed.join(", ")}]${except}`;
}

function labelTexts(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}
