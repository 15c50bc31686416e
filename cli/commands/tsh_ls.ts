import { appTransport, checkIdentity, readIdentityFile } from "../../identity/mod.ts";
import type { ListedApp } from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import type { TshHost } from "./_tsh_host.ts";
import { surroundings, type TshOptions } from "./_tsh_options.ts";

export interface ListCommand extends TshOptions {
  readonly format: "text" | "json" | "yaml";
}

/** `tsh mcp ls`: the apps that the identity's roles reach, sorted by name. */
export async function list(command: ListCommand, host: TshHost): Promise<void> {
  const { identityPath, proxy } = surroundings(command, host, "list MCP servers");
  const identity = await readIdentityFile(identityPath);
  checkIdentity(identity, host.clock.now());
  const authority = host.connect({
    proxy,
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials: { certificate: identity.tlsCertificate, key: identity.key },
  });
  const { apps } = await authority.apps();
  const sorted = [...apps].sort((a, b) => a.name < b.name ? -1 : 1);
  host.stdout.write(await format(sorted, command.format));
}

async function format(apps: readonly ListedApp[], as: ListCommand["format"]): Promise<string> {
  const listed = apps.map(({ name, description, uri, labels }) => ({
    name,
    description,
    type: appTransport(uri) ?? uri,
    uri,
    labels: shown(labels),
  }));
  switch (as) {
    case "json":
      return `${JSON.stringify(listed, undefined, 2)}\n`;
    case "yaml":
      return (await import("yaml")).stringify(listed);
    case "text":
      return formatTable(
        ["Name", "Description", "Type", "Labels"],
        listed.map(({ name, description, type, labels }) => [
          name,
          description,
          type,
          Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","),
        ]),
      );
  }
}

/** Labels that the system itself has set are no news to a person. */
function shown(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => !key.startsWith("teleport.internal/"))
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}
