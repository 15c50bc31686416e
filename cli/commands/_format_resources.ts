import type { Resource } from "../../identity/authority/admin/mod.ts";
import { formatTable } from "../table.ts";

/** Resources as documents to edit and create again, or as a table. */
export async function formatResources(
  resources: readonly Resource[],
  format: "yaml" | "text",
): Promise<string> {
  if (format === "text") {
    return formatTable(["Kind", "Name", "Description"], resources.map(row));
  }
  const { stringify } = await import("yaml");
  return resources.map((resource) => stringify(resource, { lineWidth: 0 })).join("---\n");
}

function row({ kind, metadata, spec }: Resource): string[] {
  const { name, description } = metadata;
  return [kind, name, typeof description === "string" ? description : summary(kind, spec)];
}

/** What tells resources without a description apart. */
function summary(kind: string, spec: Resource["spec"]): string {
  switch (kind) {
    case "bot":
      return `roles: ${list(spec["roles"])}`;
    case "token":
      return `joins bot ${String(spec["bot_name"])}`;
    case "lock":
      return String(spec["message"] ?? "");
    default:
      return "";
  }
}

function list(values: unknown): string {
  return Array.isArray(values) && values.length > 0 ? values.join(", ") : "none";
}
