import {
  appTransport,
  checkIdentity,
  IdentityError,
  type ListedApp,
  readIdentityFile,
} from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ListCommand extends TshOptions {
  readonly format: "text" | "json" | "yaml";
  /** `key=value,…`: only apps that have all of these labels. */
  readonly labels?: string | undefined;
  /** Only apps that have each of these words in their name, description or labels. */
  readonly search?: string | undefined;
  readonly verbose?: boolean | undefined;
}

type Shown = ReturnType<typeof shownApp>;

/** `tsh mcp ls`: the apps that the identity's roles reach, with their tools, sorted by name. */
export async function list(command: ListCommand, host: TshHost): Promise<void> {
  const { identityPath, proxy } = surroundings(command, host, "list MCP servers");
  const wanted = parseLabels(command.labels);
  const identity = await readIdentityFile(identityPath);
  checkIdentity(identity, host.clock.now());
  const authority = host.connect({
    proxy,
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials: { certificate: identity.tlsCertificate, key: identity.key },
  });
  const { apps } = await authority.apps();
  const listed = [...apps].sort((a, b) => a.name < b.name ? -1 : 1)
    .filter(({ labels }) =>
      wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
    )
    .map(shownApp).filter((app) => hasWords(app, command.search));
  host.stdout.write(await format(listed, command));
}

function parseLabels(text: string | undefined): [string, string][] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const at = part.indexOf("=");
    if (at > 0) return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    throw new IdentityError(
      "BAD_REQUEST",
      `Cannot list MCP servers: "${part}" is no label`,
      { hint: "Labels are written key=value, with commas between, for example env=dev,team=a" },
    );
  });
}

function hasWords({ name, description, labels }: Shown, search = ""): boolean {
  const text = [name, description, ...labelTexts(labels)].join("\n").toLowerCase();
  return search.toLowerCase().split(/[\s,]+/).every((word) => text.includes(word));
}

function shownApp({ name, description, uri, labels, tools }: ListedApp) {
  const { allowed, denied } = tools;
  return {
    name,
    description,
    type: appTransport(uri) ?? uri,
    uri,
    labels: ownLabels(labels),
    permissions: { mcp: { tools: { allowed, denied } } },
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
  return apps.some((app) => allowsNone(app)) ? `${table}\n${FOOTNOTE}\n` : table;
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

/** Labels that the system itself has set are no news to a person. */
function ownLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => !key.startsWith("teleport.internal/"))
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}
