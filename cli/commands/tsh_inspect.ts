import { plainJson } from "../../identity/mod.ts";
import { visible } from "../visible.ts";
import { type Json, McpSession } from "./_mcp_session.ts";
import type { TshHost } from "./_tsh_host.ts";
import type { TshOptions } from "./_tsh_options.ts";

export interface InspectCommand extends TshOptions {
  readonly app: string;
  readonly format: "text" | "json";
}

/** What a server can have, by the capability that says so. */
const LISTS = [
  { capability: "tools", method: "tools/list", member: "tools", title: "Tools" },
  { capability: "resources", method: "resources/list", member: "resources", title: "Resources" },
  { capability: "prompts", method: "prompts/list", member: "prompts", title: "Prompts" },
] as const;

/** `tsh mcp inspect`: what a server says of itself, and what this identity may use of it. */
export async function inspect(command: InspectCommand, host: TshHost): Promise<void> {
  const { app, format } = command;
  await McpSession.with(app, command, host, async (session) => {
    const { serverInfo, protocolVersion, instructions, capabilities = {} } = session.server ?? {};
    const found: Record<string, Json[]> = {};
    for (const { capability, method, member } of LISTS) {
      if (capabilities[capability]) found[member] = await session.list(method, member);
    }
    const seen = { server: serverInfo, protocolVersion, capabilities, instructions, ...found };
    host.stdout.write(
      format === "json" ? `${plainJson(JSON.stringify(seen, undefined, 2))}\n` : text(seen, found),
    );
  });
}

function text({ server, protocolVersion }: Json, found: Record<string, Json[]>): string {
  const lines = [
    `Server:   ${visible(`${server?.name ?? "?"} ${server?.version ?? ""}`.trim())}`,
    `Protocol: ${visible(String(protocolVersion))}`,
  ];
  for (const { member, title } of LISTS) {
    const entries = found[member];
    if (!entries) continue;
    lines.push("", `${title} (${entries.length}):`);
    for (const entry of entries) lines.push(...described(member, entry));
  }
  return `${lines.join("\n")}\n`;
}

function described(member: string, entry: Json): string[] {
  const name = visible(String(member === "resources" ? entry?.uri : entry?.name));
  const [first = ""] = String(entry?.description ?? "").split("\n");
  const lines = [first === "" ? `  ${name}` : `  ${name}: ${visible(first)}`];
  const { properties, required = [] } = entry?.inputSchema ?? {};
  for (const [key, schema] of Object.entries<Json>(properties ?? {})) {
    const must = Array.isArray(required) && required.includes(key) ? "" : "?";
    const type = typeof schema?.type === "string" ? schema.type : "any";
    lines.push(`      ${visible(`${key}${must}: ${type}`)}`);
  }
  return lines;
}
